import sys

from drawing import bar
from numbers_file import read

for number in read(sys.argv[1]):
    print(bar(number))
