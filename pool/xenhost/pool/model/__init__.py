"""The API as data: a file for each class; enums, errors, and the catalogue of all."""
