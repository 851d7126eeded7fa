from . import cohort as cohort
from . import errors as errors
from . import protocol as protocol
from . import report as report
from .case import Case as Case
from .dose.dvh import Dvh as Dvh
from .errors import PlanevalError as PlanevalError
from .loading import Inventory as Inventory
from .loading import load as load
from .loading import load_all as load_all
from .loading import scan as scan
from .model import Finding as Finding
from .model import Method as Method
from .model import Metric as Metric
from .model import Prescription as Prescription
from .model import Rx as Rx
from .model import Status as Status
from .model import Structure as Structure
from .model import Value as Value
from .model import Verdict as Verdict
from .pipeline import Evaluation as Evaluation
from .pipeline import applicable_protocols as applicable_protocols
from .pipeline import evaluate as evaluate

__version__: str
