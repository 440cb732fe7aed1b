"""The defaults of a job, each stated once: the config, its options and their help read them."""

REGION = "ZA"  #: of national phone numbers
WORKERS = 8  #: parallel requests
OUTAGE_SECONDS = 300.0  #: without an answer, until a run stops
LOOKUP_LAG = 30.0  #: seconds; a sandbox in this process has none
USUAL_REFUSALS = 0.005  #: share of records that billing refuses in a normal run
ALARMING_REFUSALS = 0.30  #: share at which a run stops within about 60 records
CANARY_IF_LIVE = 3  #: records to create and compare before the rest
MOST_REJECTED = "20%"  #: of the records of a plan
FEWEST_FOR_MOST_REJECTED = 50  #: records; of fewer, a few bad ones are a large share
HOME = ".pipeline"  #: folder of ledgers, in the working folder
REPORTS = "reports"  #: folder of runs, in the working folder
QUOTE = '"'
