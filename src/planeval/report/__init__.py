"""Reports: one record as HTML, CSV and terminal tables, with the same numbers in all of them."""
