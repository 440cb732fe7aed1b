"""Help for each reason and issue: what to do, an example, and the settings that affect it.

`reading.py`, `validating.py` and `sending.py` explain reasons by the stage that finds them, and
`files.py` the issues of files.
"""

from pipeline.domain.reason_help.explanation import Explanation, Help
from pipeline.domain.reason_help.files import FILES
from pipeline.domain.reason_help.reading import READING
from pipeline.domain.reason_help.sending import SENDING
from pipeline.domain.reason_help.validating import VALIDATING

__all__ = ["EXPLANATIONS", "Explanation"]

EXPLANATIONS: Help = {
    **READING,
    **VALIDATING,
    **SENDING,
    **FILES,
}
