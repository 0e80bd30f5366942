"""Copies a profile (the text of llvm-profdata) without the functions of which nothing ran so many times: hot.py TIMES < all > hot.

LLVM 21 takes a name of Swift's, which begins with $, for the bitmap of the function before: so each is given an empty one. And a private
function is named by its file, which is called .bc and not .o where all modules are optimized as one."""

import sys

BITMAP = "\n# Num Bitmap Bytes:\n$0"


def main():
    times = int(sys.argv[1])
    head, mark, functions = sys.stdin.read().replace(".swift.o;", ".swift.bc;").partition(":ir\n")
    hot = []
    for function in functions.strip("\n").split("\n\n"):
        counted, kinds, values = function.partition("\n# Num Value Kinds:")
        counts = counted.partition("# Counter Values:")[2].split()
        if any(int(count) >= times for count in counts):
            hot.append(counted + BITMAP + kinds + values + "\n\n")
    if not hot:
        sys.exit(f"hot.py: nothing was counted {times} times")
    sys.stdout.write(head + mark + "".join(hot))


if __name__ == "__main__":
    main()
