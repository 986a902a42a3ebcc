"""moto's EC2 on a free port of 127.0.0.1, with what it lacks and the driver relies on.

Prints `ready PORT` and ends when its standard input does, so that it never outlives who started it. Each rule that is
added cites what it stands for.

With --remember-terminated, terminated instances stay in the list, as on EC2 for about an hour; else they are forgotten at
once, as if the hour had passed: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/terminating-instances.html
"""

import os
import sys
import threading

# Off by default in moto: images, key pairs and instance types that do not exist are refused.
os.environ["MOTO_ENABLE_AMI_VALIDATION"] = "true"
os.environ["MOTO_ENABLE_KEYPAIR_VALIDATION"] = "true"
os.environ["MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION"] = "true"
# Nobody is asked for anything.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

from moto.core.responses import ActionResult  # noqa: E402
from moto.ec2.exceptions import EC2ClientError  # noqa: E402
from moto.ec2.responses.instances import InstanceResponse  # noqa: E402
from moto.ec2.responses.tags import TagResponse  # noqa: E402
from moto.server import DomainDispatcherApplication, create_backend_app  # noqa: E402
from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: E402

# moto's models are not made for many threads.
LOCK = threading.RLock()


def with_client_tokens(run_instances):
    """A client token names one request, and asking again with it launches nothing:
    https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html"""
    known = {}

    def wrapper(self):
        token = self._get_param("ClientToken")
        if not token:
            return run_instances(self)
        # "... one or more of the parameters are different, other than the Region or Availability Zone"
        parameters = dict(self.data)
        with LOCK:
            if token not in known:
                answer = run_instances(self)
                known[token] = (parameters, answer.result)
                return answer
            first, reservation = known[token]
            if parameters != first:
                message = f"Arguments on this idempotent request are inconsistent with arguments used in previous request(s): {token}"
                raise EC2ClientError("IdempotentParameterMismatch", message)
            if any(instance.state_code == 48 for instance in reservation.instances):
                # https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html
                message = "The client token has already been used, and its instance is terminated"
                raise EC2ClientError("IdempotentInstanceTerminated", message)
            return ActionResult(reservation)

    return wrapper


def with_page_limits(describe_instances):
    """MaxResults is from 5 to 1000:
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html#api-pagination"""

    def wrapper(self):
        wanted = self._get_param("MaxResults")
        if wanted is not None and not 5 <= int(wanted) <= 1000:
            raise EC2ClientError("InvalidParameterValue", f"Value ( {wanted} ) for parameter maxResults is invalid.")
        with LOCK:
            return describe_instances(self)

    return wrapper


def with_known_instances(create_tags):
    """Tags on what does not exist: InvalidInstanceID.NotFound,
    https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html"""

    def wrapper(self):
        with LOCK:
            ids = [id for id in self._get_param("Resources", []) if id.startswith("i-")]
            # Raises it.
            self.ec2_backend.get_multi_instances_by_id(ids)
            return create_tags(self)

    return wrapper


def forgetting(terminate_instances):
    def wrapper(self):
        with LOCK:
            answer = terminate_instances(self)
            reservations = self.ec2_backend.reservations
            for id in [
                id
                for id, reservation in reservations.items()
                if all(instance.state_code == 48 for instance in reservation.instances)
            ]:
                del reservations[id]
            return answer

    return wrapper


class Silent(WSGIRequestHandler):
    # One connection for many requests, as with EC2.
    protocol_version = "HTTP/1.1"

    def log(self, *_):
        pass


def main():
    InstanceResponse.run_instances = with_client_tokens(InstanceResponse.run_instances)
    InstanceResponse.describe_instances = with_page_limits(InstanceResponse.describe_instances)
    TagResponse.create_tags = with_known_instances(TagResponse.create_tags)
    if "--remember-terminated" not in sys.argv[1:]:
        InstanceResponse.terminate_instances = forgetting(InstanceResponse.terminate_instances)
    application = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Silent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"ready {server.port}", flush=True)
    sys.stdin.read()


main()
