from helpers.files import read, write
from helpers.powers import square

write(snakemake.output[0], [square(number) for number in read(snakemake.input[0])])
