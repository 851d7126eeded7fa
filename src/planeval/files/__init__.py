"""Files of other programs: tables that people keep."""
