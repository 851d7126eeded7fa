"""Grids, planar stacks and what is exact about them. No DICOM and no dose here."""
