"""Product reviews made by a small grammar: aspects judged with and without negation, hedges, and sentences that judge nothing.

What a writer feels decides every judgement of a review, except that happy writers find a fault now and then and unhappy ones
something to like; short reviews may say very little. So no classifier is right every time.
"""

from random import Random

GOODS = {
    "kettle": ["lid", "handle", "switch", "spout", "noise level"],
    "headphones": ["sound", "battery", "cushions", "microphone", "bluetooth connection"],
    "backpack": ["zipper", "straps", "fabric", "pockets", "stitching"],
    "camera": ["lens", "autofocus", "menu", "battery", "screen"],
    "blender": ["motor", "blades", "jug", "lid", "noise level"],
    "desk lamp": ["light", "arm", "base", "dimmer", "cable"],
    "crème brûlée torch": ["flame", "igniter", "safety lock", "gas valve", "grip"],
}
SHARED = ["price", "packaging", "delivery", "manual", "customer service", "build quality", "colour", "design"]
PLURAL = {"cushions", "straps", "pockets", "blades"}
PRAISE = ["great", "excellent", "superb", "solid", "lovely", "reliable", "comfortable", "sturdy", "impressive", "fantastic", "perfect", "good", "first-class"]
BLAME = ["terrible", "awful", "flimsy", "poor", "disappointing", "useless", "cheap", "unreliable", "annoying", "faulty", "bad", "horrible", "second-rate"]
MILD_PRAISE = ["fine", "decent", "okay", "pleasant", "usable"]
MILD_BLAME = ["mediocre", "so-so", "clumsy", "slow", "fiddly"]
DEGREES = ["", "", "", "very ", "really ", "quite ", "rather ", "absolutely ", "surprisingly ", "a bit "]
NEUTRAL = [
    "I bought it for my {person}.", "It arrived on {day}.", "I have had this {good} for {count} weeks.", "The box contains the {good} and a {aspect}.",
    "We use it {often}.", "It is the {count}th {good} I have owned.", "My {person} has the same model.", "Ordered in {month}, delivered in {count} days.",
    "The {aspect} is {tint}.", "I read {count} reviews before I chose this one.",
]
HAPPY = [
    "I love it!", "Highly recommended.", "Worth every penny.", "I would buy it again.", "No complaints at all.", "Could not be happier.", "5 stars.",
    "It does exactly what it should.", "I can't fault it.",
]
UNHAPPY = [
    "I hate it!", "I would not recommend it.", "Waste of money.", "I sent it back.", "Never again.", "It broke after {count} days.", "1 star.",
    "It doesn't work as described.", "I want a refund.",
]
PEOPLE = ["daughter", "father", "wife", "husband", "brother", "neighbour", "boss"]
DAYS = ["Monday", "Tuesday", "Thursday", "Friday", "Saturday"]
MONTHS = ["January", "March", "June", "August", "November"]
OFTEN = ["every day", "twice a week", "at weekends", "in the office", "on holiday"]
TINTS = ["black", "grey", "dark red", "silver", "white"]
NEGATIONS = ["{be} not {word}", "{be}n't {word}", "{be} never {word}", "{be} far from {word}", "{be} anything but {word}"]


def reviews(count: int, seed: int) -> list[tuple[str, str]]:
    """`count` reviews as (text, "positive" or "negative"), no text twice."""
    random, found = Random(seed), {}
    while len(found) < count:
        found.setdefault(*review(random))
    return list(found.items())


def review(random: Random) -> tuple[str, str]:
    happy = random.random() < 0.5
    good = random.choice(list(GOODS))
    aspects = random.sample(GOODS[good] + SHARED, 5)
    sentences = []
    for aspect in aspects[: random.choice([0, 1, 1, 2, 2, 3, 4])]:
        kind = happy if random.random() < 0.85 else not happy
        sentences.append(judgement(random, aspect, kind))
    if random.random() < 0.3 or not sentences:
        sentences.append(fill(random, random.choice(HAPPY if happy else UNHAPPY), good, aspects[-1]))
    for _ in range(random.choice([0, 0, 1, 1, 2])):
        sentences.insert(random.randrange(len(sentences) + 1), fill(random, random.choice(NEUTRAL), good, aspects[-1]))
    return " ".join(sentences), "positive" if happy else "negative"


def judgement(random: Random, aspect: str, kind: bool) -> str:
    """A sentence that praises (or blames) an aspect; one in four does so by denying the opposite."""
    be = "are" if aspect in PLURAL else "is"
    if random.random() < 0.25:
        word = random.choice(BLAME if kind else PRAISE)
        claim = random.choice(NEGATIONS).format(be=be, word=word)
    else:
        mild = random.random() < 0.2
        word = random.choice((MILD_PRAISE if mild else PRAISE) if kind else (MILD_BLAME if mild else BLAME))
        claim = f"{be} {random.choice(DEGREES)}{word}"
    text = f"{random.choice(['the', 'the', 'its'])} {aspect} {claim}"
    text = text[0].upper() + text[1:]
    return text + random.choice([".", ".", ".", "!", ", in my opinion.", " :-)" if kind else " :-("])


def fill(random: Random, template: str, good: str, aspect: str) -> str:
    return template.format(
        good=good, aspect=aspect, person=random.choice(PEOPLE), day=random.choice(DAYS), month=random.choice(MONTHS), often=random.choice(OFTEN),
        tint=random.choice(TINTS), count=random.randint(3, 9),
    )
