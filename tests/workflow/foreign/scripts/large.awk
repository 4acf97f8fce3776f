$1 > above
