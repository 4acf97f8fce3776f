"""Figures, charts, page, report and article."""
