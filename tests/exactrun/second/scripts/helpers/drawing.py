from math import isqrt


def bar(number, symbol):
    return symbol * isqrt(number)
