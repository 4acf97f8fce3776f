from helpers.drawing import bar
from helpers.files import read, write

numbers = [number for path in snakemake.input.squares for number in read(path)]
write(snakemake.output[0], [bar(number, snakemake.params.symbol) for number in numbers])
