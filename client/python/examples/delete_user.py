#!/usr/bin/env python3
"""Deletes one user through a ticketing-user service, and says what became of it.

python examples/delete_user.py --plaintext localhost:50051 23423524 62f44730-dd91-461e-bd6a-aedd9e0ad79d
"""

import argparse
import sys

import ticketing_user


def main() -> int:
    parser = argparse.ArgumentParser(description="Deletes one user through a ticketing-user service.")
    parser.add_argument("target", help="host:port of the service")
    parser.add_argument("id", help="the user")
    parser.add_argument("account", help="the integrated account, a UUID")
    parser.add_argument("--plaintext", action="store_true", help="without TLS")
    parser.add_argument("--ca-file", help="authorities to trust instead of the system's")
    arguments = parser.parse_args()

    with ticketing_user.connect(arguments.target, plaintext=arguments.plaintext, ca_file=arguments.ca_file) as client:
        try:
            answer = client.delete(arguments.id, arguments.account, truto_ignore_remote_data=True)
        except ticketing_user.DeleteError as error:
            print(f"{error}\n{error.advice}", file=sys.stderr)
            if error.retry_after is not None:
                print(f"Come back in {error.retry_after.total_seconds():g} s.", file=sys.stderr)
            if error.delivery is ticketing_user.Delivery.UNKNOWN:
                print(f"The user may have been deleted: request_id {error.request_id}", file=sys.stderr)
            return 1
    print(f"{ticketing_user.DeleteOutcome.Name(answer.outcome)} {answer.user.id} {answer.user.name}".rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
