"""python -m luneta"""

from luneta.cli import main

main()
