from .numbers import EXPONENT


def square(number):
    return number**EXPONENT
