"""`python -m digits_service`: listens on HOST:PORT, with or without a model."""

import os
import sys

from digits_service import server

if __name__ == "__main__":
    sys.exit(server.serve(os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080"))))
