"""Order, liveness and one arena: where every value of a program lives, decided before anything runs."""

from netc.plan.check import BadPlan, check_plan
from netc.plan.place import PERSISTENT, Place, Plan, plan

__all__ = ["PERSISTENT", "BadPlan", "Place", "Plan", "check_plan", "plan"]
