"""The frame of a Serve document: the part of which Ray Serve starts replicas anew if it changes.

A running revision keeps the frame it began with, so that a newer operator, which may fill in other defaults, restarts
nothing. What is put into a frame is applied in place. Pure; it knows the document, not the resource.
"""

from copy import deepcopy
from typing import Any

_OF_THE_APPLICATION = ("name", "route_prefix", "import_path", "args", "autoscaling_policy")
_OF_A_DEPLOYMENT = ("ray_actor_options",)

Document = dict[str, Any]


def of(document: Document) -> Document:
    """The frame of a rendered document."""
    (application,) = document["applications"]
    deployments = {each["name"]: _only(each, _OF_A_DEPLOYMENT) for each in application["deployments"]}
    return deepcopy({**_only(application, _OF_THE_APPLICATION), "deployments": deployments})


def is_made_for(document: Document, *, frame: Document) -> bool:
    """Whether both are about the same deployments."""
    (application,) = document["applications"]
    names = [str(each["name"]) for each in application["deployments"]]
    return set(names) == set(frame["deployments"])


def put(document: Document, *, frame: Document) -> Document:
    """`document` within a frame that was made for its deployments."""
    framed = deepcopy(document)
    (application,) = framed["applications"]
    application.update(_only(frame, _OF_THE_APPLICATION))
    for deployment in application["deployments"]:
        deployment.update(frame["deployments"][deployment["name"]])
    return framed


def _only(mapping: Document, keys: tuple[str, ...]) -> Document:
    return {key: mapping[key] for key in keys}
