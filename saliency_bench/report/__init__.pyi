from .reading import read as read
from .text.terminal import verdict_table as verdict_table
from .write import write as write
