"""What a command loads before it knows what is asked of it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HEAVY = ("numpy", "scipy", "qdrant_client", "qdrant_edge", "rjieba", "gensim", "sklearn", "onnxruntime", "torch")


def test_the_help_of_every_command_loads_neither_engine_nor_model():
    code = f"""
import sys
from click.testing import CliRunner
from cli.main import cli
for arguments in ([], *([name] for name in cli.list_commands(None))):
    found = CliRunner().invoke(cli, [*arguments, "--help"])
    assert found.exit_code == 0, found.output
print(*sorted(set(sys.modules) & set({HEAVY!r})))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
