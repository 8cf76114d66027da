"""`python -m hybrid_serving.cli` is `hybrid`, where the script is not on the path."""

from hybrid_serving.cli.entry import main

main()
