"""`manage.py check_deletion <receipt>`: looks for everything that a deletion receipt says is gone."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from inference.queries.receipts import is_proven, look_for
from training.models import DeletionReceipt


class Command(BaseCommand):
    help = (
        "Searches the database, the artifact store and the running engines for the hashes and names of a deletion receipt. Exit code 1 "
        "when something is found or a place could not be searched."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("receipt", type=int, help="The receipt's number, from its page.")

    def handle(self, *args: object, **options: object) -> None:
        receipt = DeletionReceipt.objects.filter(pk=int(str(options["receipt"]))).first()
        if receipt is None:
            raise CommandError("There is no receipt with this number.")
        if receipt.completed_at is None:
            raise CommandError("This deletion has not ended.")
        looks = look_for(receipt)
        for look in looks:
            result = look.not_searched or (
                f"FOUND {', '.join(look.found)}" if look.found else "nothing found"
            )
            self.stdout.write(f"{look.place}: {look.searched} searched, {result}")
        if not is_proven(looks):
            raise CommandError("Something was found, or a place could not be searched.")
        self.stdout.write(f"Nothing of receipt {receipt.pk} is left in these places.")
