"""`cnngrad exercise`: makes sheets and their solutions, and grades answers."""

from cnngrad.cli.answer import check_outputs, present, style_of
from cnngrad.cli.options import Exercise, listed
from cnngrad.cli.session import ExitCode, Session
from cnngrad.derivation.notation import DEFAULT_PRECISION
from cnngrad.errors import CnngradError
from cnngrad.exercises import exercises, graded
from cnngrad.files.problem import Reader
from cnngrad.render.documents import check_ending, write
from cnngrad.render.moodle import FRACTIONS
from cnngrad.tensor import DB

__all__ = ["make_exercises"]


def make_exercises(session: Session, options: Exercise, reader: Reader) -> ExitCode:
    """Make, save and show a sheet, or grades."""
    if options.form and all(abs(options.partial - fraction) > 0.01 for fraction in FRACTIONS):
        known = ", ".join(map("{:g}".format, FRACTIONS))
        raise CnngradError(f"partial is {options.partial:g}: use a fraction that Moodle has: {known}")
    if options.precision != DEFAULT_PRECISION:
        raise CnngradError("--precision would change the numbers of an exercise: leave it out")
    check_outputs(options, not options.grade, (".json",))
    if options.solution is not None:
        check_ending(options.solution, latex=True)
    asks = listed(options.ask)
    sheet = exercises(options.read(reader).layer(), asks, options.count, options.seed, options.decimals)
    if (options.report or "").endswith(".html") and not options.grade and sheet.source.asked in (None, DB):
        raise CnngradError("a page asks for one of O, dW and dX, or an element: use --count 1, or another ending")
    if (options.solution or "").endswith(".html") and len(sheet.each) > 1:
        raise CnngradError("a page has the numbers of one exercise: use --count 1, or another ending")
    if not sheet.is_telling:
        session.tell("by chance some mistake leaves an asked cell right: --seed gives other numbers")
    session.begin_work(reader.finish())
    if options.grade is not None:
        grades = graded(sheet, options.grade, reader.content(options.grade), options.partial / 100)
        return present(session, options, grades)
    code = present(session, options, sheet)
    if options.solution is not None:
        write(options.solution, sheet.solution(), style_of(options)._replace(form=""))
        session.tell(f"{options.solution} is saved")
    return code
