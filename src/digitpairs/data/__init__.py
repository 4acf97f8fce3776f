"""Digits from three sources, and the pairs that are made of them.

Empty on purpose: what a step imports from here decides what reruns it, and training needs `pairs` alone.
"""
