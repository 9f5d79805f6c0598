"""Write the golden files, README's outputs and its picture anew: python -m tests.rewrite."""

from cnngrad.cli.main import main
from tests import golden, readme

if __name__ == "__main__":
    golden.rewrite()
    main(["backward", str(golden.SAMPLES / "notes.json"), "--element", "x22", "--report", "samples/notes.svg"])
    readme.rewrite()
