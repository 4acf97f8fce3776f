ls "${snakemake_input[0]}" | wc -l > "${snakemake_output[0]}"
