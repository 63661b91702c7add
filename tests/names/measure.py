"""How long names are: counts of full names by their bytes in UTF-8, for each language of Faker that has names of its own.

    pip install Faker==40.63.0 && python measure.py >lengths.txt

src/personal/name.rs holds the step of `Name` to what this wrote. Only lengths are kept, no names.
"""

import collections

from faker import Faker
from faker.config import AVAILABLE_LOCALES

NAMES = 5000


def main():
    print(f"# {NAMES} full names of each locale of Faker 40.63.0, seed 1: bytes in UTF-8, and how many have them")
    seen = set()
    for locale in sorted(AVAILABLE_LOCALES):
        fake = Faker(locale)
        fake.seed_instance(1)
        names = tuple(fake.name() for _ in range(NAMES))
        if names in seen:
            continue  # a locale that borrows another's names
        seen.add(names)
        counts = collections.Counter(len(name.encode()) for name in names)
        print(locale, *(f"{bytes}:{count}" for bytes, count in sorted(counts.items())))


main()
