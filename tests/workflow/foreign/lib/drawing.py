def bar(number):
    return "#" * number
