"""Prints the dual-batch plan of a configuration: `python -m dbsl_tf.plan --config FILE`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dbsl_tf.command_line import config_parser, parse_config, run


def main(arguments: Sequence[str]) -> int:
    """Prints the plan as a table, or as one JSON object, and returns the exit status.

    Raises:
        UserError: the command line or configuration is wrong, or no plan satisfies it.
    """
    parser = config_parser(
        "dbsl_tf.plan", "Print what every worker trains in an epoch, and how long that takes."
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object only")
    options, config = parse_config(parser, arguments)

    from dbsl_tf.planning import plan_from_config

    plan = plan_from_config(config, config.data.epoch_samples)
    if options.json:
        print(json.dumps(plan.as_dict(), indent=2))
    else:
        from dbsl_tf.planning.report import print_plan

        print_plan(plan)
    return 0


if __name__ == "__main__":
    run(main)
