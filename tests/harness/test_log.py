"""What a job's own code tells is in its log; what libraries tell among themselves is not."""

import subprocess
import sys

TELLS = """
import logging, sys
from pathlib import Path
from harness.worker import log_to
log_to(Path(sys.argv[1]))
logging.getLogger("pretrain.views.loading").info("images are decoded whole")
logging.getLogger("PIL.Image").info("noise")
logging.getLogger("PIL.Image").warning("a large image")
"""


def test_what_the_rooms_tell_is_in_the_log_and_what_libraries_warn_of(tmp_path):
    log = tmp_path / "run" / "log.txt"
    subprocess.run([sys.executable, "-c", TELLS, str(log)], check=True)
    assert log.read_text() == "images are decoded whole\na large image\n"
