"""What is in a data set: counts, captions, languages, duplicates, pictures, and what cannot be read.

facts.py      Profile and its parts: what was found
look.py       profile(): the looking
terminal.py   a profile as tables
"""

from luneta.profiling.facts import CaptionFacts, Example, ImageFacts, Profile, Spread
from luneta.profiling.look import profile

__all__ = ["CaptionFacts", "Example", "ImageFacts", "Profile", "Spread", "profile"]
