"""The API of jwtd written with FastAPI, for comparison: see ../../README.md."""
