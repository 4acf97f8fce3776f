"""Does weight sharing, and do auxiliary losses, help a small network compare two digits?"""
