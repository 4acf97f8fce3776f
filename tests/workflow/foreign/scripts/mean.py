import sys

from arithmetic import mean
from numbers_file import read

print(mean(read(sys.argv[1])))
