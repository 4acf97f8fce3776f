mkdir -p "$3" && split --lines="$1" --numeric-suffixes=1 --additional-suffix=.txt "$2" "$3/part"
