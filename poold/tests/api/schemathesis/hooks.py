"""Questions that would be kept open until something happens are asked for what there is now."""

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    query = case.query or {}
    # Wrong values stay wrong: what is looked for is how they are answered.
    if query.get("follow") in (True, "true"):
        case.query["follow"] = "false"
    if case.path.endswith("/wait"):
        seconds = query.get("seconds")
        if seconds is None or (isinstance(seconds, (int, float)) and seconds > 0):
            case.query = {**query, "seconds": 0.01}
