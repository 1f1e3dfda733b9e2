"""What poses do to pictures: people who run are another picture, a cat that sits is seen from the front, a dog that
jumps is above its shadow, and who sleeps has signs of it above the head.
"""

from dataclasses import replace
from typing import Final

from easel.engines.sketch.composing.attaching import FACE
from easel.engines.sketch.composing.units import Part, Unit
from easel.engines.sketch.pictures.bodies import BODIES
from easel.engines.sketch.pictures.library import CHILDREN, Library
from easel.engines.sketch.reading.wish import Thing, Wish

PEOPLE: Final = {"man": "man", "woman": "woman", "person": "person", "boy": "man", "girl": "woman", "child": "person",
                 "men": "man", "women": "woman", "people": "person"}  # fmt: skip
"""People of whom there are pictures of what they do."""
DONE: Final = {
    "running": "running", "walking": "walking", "dancing": "dancing", "swimming": "swimming", "surfing": "surfing",
    "cycling": "biking", "rowing": "rowing-boat", "climbing": "climbing", "golfing": "golfing", "juggling": "juggling",
    "lifting": "lifting-weights", "meditating": "in-lotus-position", "dribbling": "bouncing-ball",
}  # fmt: skip
"""How these pictures end."""
ALWAYS: Final = {"skiing": "skier", "snowboarding": "snowboarder"}
BODY: Final = {"sleeping": "crossed", "lying": "crossed", "sitting": "crossed", "meditating": "crossed",
               "climbing": "cheering", "surfing": "cheering", "skiing": "cheering", "snowboarding": "cheering",
               "dribbling": "running", "lifting": "cheering", "juggling": "cheering"}  # fmt: skip
"""Poses that a body takes for others."""
FLYING: Final = "flying"
LIES: Final = frozenset({"sleeping", "lying"})
POSES: Final = frozenset({*BODIES, *DONE, *ALWAYS, *BODY})
"""What the section `poses` of the tables may name."""
LEAPS: Final = {"running": (0.05, -4.0), "jumping": (0.34, -11.0), "dancing": (0.08, 8.0), "flying": (0.0, -9.0)}
"""How far animals are above the ground then, as a share of their height, and how many degrees they lean forward."""
PAIRS: Final = {"people-holding-hands": "people", "men-holding-hands": "men", "women-holding-hands": "women"}
"""Pictures of two people who stand or walk, and who they are when they do something else."""
SWIM_SUNK: Final = 0.42
SEEMING: Final = frozenset({"sitting", "lying", "running", "flying"})
SLEEP: Final = "zzz"
DUST: Final = "dust"


def posed(wish: Wish, library: Library) -> Wish:
    """The wish with the pictures that show what its people and animals do."""
    aloft = {relation.subject for relation in wish.relations if relation.kind == "aloft"}
    things = [
        replace(thing, pose=thing.pose or FLYING) if at in aloft else thing for at, thing in enumerate(wish.things)
    ]
    if wish.style == "logo":
        things = [_with_face(thing, library) for thing in things]
    if wish.view == "portrait" and len(things) == 1 and things[0].pose is None:
        things = [replace(things[0], pose="sitting")] if library.traits(things[0].picture).face else things
    return replace(wish, things=tuple(_posed(thing, library) for thing in things))


def _with_face(thing: Thing, library: Library) -> Thing:
    """An animal of which only the face is shown, as logos do."""
    traits = library.traits(thing.picture)
    if traits.stance != "head" and traits.face is None:
        return thing
    colour = thing.colour or ("black" if "black" in thing.picture else None)
    return replace(thing, picture=traits.face or thing.picture, pose=FACE, colour=colour)


def _posed(thing: Thing, library: Library) -> Thing:
    pose = thing.pose
    if pose is None:
        return thing
    if thing.picture in PAIRS and pose != "walking":
        return _posed(replace(thing, picture=PAIRS[thing.picture], count=2 * thing.count), library)
    if thing.picture in PEOPLE:
        ending = DONE.get(pose)
        name = ALWAYS.get(pose) or f"{PEOPLE[thing.picture]}-{ending}"
        has_own_body = pose in BODIES and (thing.picture in CHILDREN or thing.colour is not None)
        if (ending or pose in ALWAYS) and not has_own_body:
            name = name if library.has(name) else f"woman-{ending}"
            return replace(thing, picture=name) if library.has(name) else thing
    face = library.traits(thing.picture).face
    if face is not None and pose in LIES | {"sitting"}:
        return replace(thing, picture=face, colour=thing.colour or ("black" if "black" in thing.picture else None))
    return thing


def shows_pose(thing: Thing, library: Library) -> bool:
    """Whether the picture of a posed thing shows what it does. A thing that is no creature, such as a vase that sits on
    a table, needs no more than to be there in order to sit, lie, run or fly."""
    pose, picture = thing.pose, thing.picture
    if pose in (None, "walking", "swimming", FACE) or (pose == "sleeping" and library.is_creature(picture)):
        return True
    if not library.is_creature(picture) and not library.has_limbs(picture):
        return pose in SEEMING
    if picture in ALWAYS.values() or any(picture.endswith(f"-{ending}") for ending in DONE.values()):
        return True
    traits = library.traits(picture)
    if traits.suit or traits.stance == "bust":
        return pose in SEEMING - {"running", "lying"}
    if library.has_limbs(picture):
        return pose in BODIES or pose == "meditating"
    return pose in SEEMING or (pose in LEAPS and not library.is_person(picture))


def body_pose(thing: Thing, library: Library) -> str:
    """How the body of a thing holds its limbs."""
    if thing.pose == FACE:
        return FACE
    if thing.pose in LIES:
        return "crossed" if library.has_limbs(thing.picture) else "lying"
    pose = BODY.get(thing.pose or "", thing.pose or "standing")
    return pose if pose in BODIES else "standing"


def posed_part(unit: Unit, thing: Thing, library: Library) -> Unit:
    """A unit whose root does what its thing does."""
    part = unit.base
    if part.picture.lifted:
        unit.swap(
            part, replace(part, y=part.y + part.picture.lifted * part.height, lift=part.picture.lifted * part.height)
        )
    elif thing.pose in LEAPS and len(unit.parts) == 1 and _leaps(part, library):
        share, lean = LEAPS[thing.pose]
        unit.swap(part, replace(part, y=share * part.height, lift=share * part.height, turn=lean))
    if thing.pose == "swimming" and part.picture.traits.stance not in ("swims", "deep"):
        sunk = SWIM_SUNK * part.height
        unit.parts = [replace(one, y=one.y - sunk) for one in unit.parts]
        unit.swap(unit.base, replace(unit.base, sunk=SWIM_SUNK))
    return unit


def _leaps(part: Part, library: Library) -> bool:
    return library.is_creature(part.picture.name) and not library.is_person(part.picture.name)


def marks(part: Part, thing: Thing, library: Library) -> list[Part]:
    """What shows that somebody sleeps or runs: signs above the head, dust behind the feet."""
    if part.thing < 0 or not library.is_creature(part.picture.name):
        return []
    side = -1 if part.is_mirrored else 1
    if thing.pose == "sleeping":
        x, top, _ = part.picture.head_box or (-0.2, 1.0, 0.3)
        height = 0.42 * max(part.height, 0.6 * part.width)
        right, up = (x + 0.22) * side * part.height, (0.0 + top) * part.height
        return [Part(library.picture(SLEEP), -1, part.x + right, part.y + up, height, on_ground=False)]
    if thing.pose == "running" and not part.picture.has_front and part.on_ground:
        picture = library.picture(DUST)
        height = 0.15 * part.height
        x = part.x + side * 0.52 * part.width
        return [Part(picture, -1, x, part.y - part.lift, height, on_ground=False, is_mirrored=part.is_mirrored)]
    return []
