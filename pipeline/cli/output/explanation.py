"""Print codes with their explanations, for `explain`."""

from typing import TYPE_CHECKING

from pipeline.cli.output.terminal import show_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.workflows.explain import Explanation


def show_explained(found: "Sequence[Explanation]", *, whole: bool) -> None:
    """Print codes with their explanations; else one line each."""
    if not whole:
        widest = max(len(one.code) for one in found)
        show_line("\n".join(f"{one.code:{widest}}  {one.meaning}" for one in found))
        return
    texts = []
    for one in found:
        options = f"\noptions:  {', '.join(one.settings)}" if one.settings else ""
        texts.append(
            f"{one.code}\n{one.meaning}\nexample:  {one.example}\nfix it:   {one.remedy}{options}"
        )
    show_line("\n\n".join(texts))
