"""Synthetic liver radiotherapy patients, written as DICOM.

Nothing here describes a person. Every organ is a smooth implicit function of patient position, so
contours, CT values and target margins all come from the same exact geometry.

Conventions: patient LPS millimetres (x left, y posterior, z superior), arrays indexed (k, j, i),
dose in Gy, volume in cc.
"""
