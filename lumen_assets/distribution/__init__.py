"""A day's report to people and to folders, once for each revision."""

from lumen_assets.distribution.distributing import distribute, mails_are_due, targets
from lumen_assets.distribution.ledger import Delivery, DeliveryLedger, State

__all__ = ["Delivery", "DeliveryLedger", "State", "distribute", "mails_are_due", "targets"]
