"""Print the config that `init` drafts."""

from typing import TYPE_CHECKING

from pipeline.cli.output.screen import Screen
from pipeline.cli.output.terminal import MOST_COLUMNS, on_one_line, say
from pipeline.cli.suggestions import suggested

if TYPE_CHECKING:
    from pipeline.workflows.init import Draft


def show_draft(draft: "Draft") -> None:
    """Print the guess for each field, how sure it is, and the path of the config."""
    screen, guesses = Screen(), draft.guesses
    rows = []
    for one in (*guesses.fields, *guesses.metadata, *guesses.never_sent):
        name = f"metadata {one.field}" if one in guesses.metadata else one.field
        value = on_one_line(one.value) if isinstance(one.value, dict) else one.value or ""
        rows.append((name, value, one.sure, one.why))
    rows += [("left out", name, "sure", why) for name, why in draft.unsendable.items()]
    screen.table(("field", "from", "how sure", "why"), rows)
    if guesses.left_out:
        shown, others = guesses.left_out[:MOST_COLUMNS], len(guesses.left_out) - MOST_COLUMNS
        more = f" and {others:,} more" if others > 0 else ""
        screen.line(f"kept in the lists and not sent: {', '.join(shown)}{more}")
    screen.line(str(draft.path))
    screen.show()
    remarks = [f"{draft.todo_count} of them open: only you can decide"]
    if draft.suggested_encoding:
        remarks.append(f"the encoding {draft.suggested_encoding} is a guess")
    command = suggested("plan", str(draft.source), "--config", str(draft.path), "--sandbox")
    say(f"Check each line ({'; '.join(remarks)}), then: {command}")
