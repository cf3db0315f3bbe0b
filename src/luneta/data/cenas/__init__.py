"""Cenas ("scenes"), the built-in illustrated world: drawn and described by rule, so that every fact is known.

world.py        what can be in a scene, how scenes are drawn by lot, splits, swapped pairs
claims.py       which facts a caption tells
english.py, portuguese.py    facts put into words
captions.py     five captions a scene and language
pen.py          shapes and the look of each style
animals.py, vehicles.py, things.py    how each kind of object is drawn
backgrounds.py  places and weather
draw.py         a scene's picture
dataset.py      all of it as an ImageTextDataset
"""

from luneta.data.cenas.dataset import open_cenas

__all__ = ["open_cenas"]
