"""A class of sixty in lab 03, as a run of the grader leaves it: right, wrong, half, late, copied and dead.

Always the same sixty. Their names are of every kind that a roster has, and some that are an attack.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from labcheck.checking.diagnosis import CheckResult, Diagnosis, Verdict
from labcheck.grading.grade import Finding, Grade, Override, Student
from labcheck.grading.lateness import Due

DUE = datetime(2026, 11, 20, 23, 59, tzinfo=UTC)
SIZE = 60

CHECKS = (
    ("app_answers", "La aplicación responde en su puerto local", 1),
    ("app_is_private", "Nadie de fuera de esta máquina puede abrir el puerto de la aplicación", 1),
    ("exit_node_answers", "En el lado público atiende un nodo de salida", 1),
    ("client_is_connected", "Un cliente conectado lleva las peticiones hasta la aplicación", 1),
    ("task_passes", "Una tarea creada por el lado público aparece en la aplicación local", 2),
    ("cut_shows", "Con el túnel cortado, el lado público responde 503: no hay otro camino", 2),
    ("tunnel_comes_back", "Después del corte, el túnel vuelve solo y las tareas pasan otra vez", 2),
)

EXPOSED = Diagnosis(
    "exposed",
    "un nodo de salida que responde con su propia cabecera",
    "http://203.0.113.9:8000 respondió 200, y es la aplicación misma.",
    "La aplicación está abierta directamente en el puerto público: eso no es un túnel.",
    ("¿Quién escucha en el puerto 8000?", "Mire con «ss -ltnp» qué programa es."),
)
ANOTHER_APP = Diagnosis(
    "another-app",
    "la tarea «nonce-7f3a» en la aplicación local",
    "la aplicación local no la tiene; <b>otra</b> la recibió | `nonce-7f3a`",
    "El túnel lleva a otra aplicación y no a la suya.",
    ("¿A qué puerto lleva --upstream?",),
)
DID_NOT_COME_BACK = Diagnosis(
    "did-not-come-back",
    "que el cliente vuelva solo después del corte",
    "El lado público siguió respondiendo 503 a los 20 segundos.",
    "El cliente del curso se reconecta sin parar. Si no volvió, algo lo termina cuando se corta.",
    ("¿Qué le pasa al cliente cuando pierde el enlace?",),
)
OPEN = Diagnosis(
    "open-to-everybody",
    "que el puerto 5000 se abra solo desde esta máquina",
    "10.0.2.15:5000 aceptó una conexión.",
    "La aplicación escucha en todas las direcciones (0.0.0.0).",
    ("¿En qué dirección escucha? Mire con «ss -ltn».",),
)

_NAMES = (
    "Ana Ñáñez", "Luis Muñoz Güemes", "María José Cañón", "<script>alert(1)</script>",
    '=HYPERLINK("http://x","pulse")', "José Ángel Íñiguez de la Fuente y Martínez de Irujo", "Zoë 李小龙",
    "+Sofía", "@Tomás", "-Inés", "Raúl & Hijos", "Nuria *negrita* _cursiva_ [enlace](http://x)",
    "\u202eoterces Iván", 'Pía "la Rápida" Soto', "Íñigo; DROP TABLE alumnos;--", "",
)  # fmt: skip
_FIRST = ("Valentina", "Mateo", "Camila", "Santiago", "Lucía", "Sebastián", "Renata", "Joaquín", "Abril")
_LAST = ("Quispe", "Núñez", "Rojas", "Peña", "Castro", "Villalobos")


def school_class() -> list[Grade]:
    """Return the sixty grades, by the students' codes."""
    return [_grade(number) for number in range(SIZE)]


def _student(number: int) -> Student:
    name = _NAMES[number] if number < len(_NAMES) else f"{_FIRST[number % 9]} {_LAST[number % 6]} {number}"
    return Student(f"2026{number:03d}", name, f"alumno{number:02d}@universidad.example")


def results(fails: dict[str, Diagnosis] | None = None) -> tuple[CheckResult, ...]:
    """Return the lab's results, in which what comes after a failure (but privacy) is skipped."""
    fails = fails or {}
    told: list[CheckResult] = []
    blocked = ""
    for name, title, points in CHECKS:
        if blocked:
            told.append(
                CheckResult(
                    name, title, points, Verdict.SKIPPED, reason=f"Depende de «{blocked}», que falló."
                )
            )
        elif name in fails:
            told.append(CheckResult(name, title, points, Verdict.FAILED, fails[name]))
            blocked = "" if name == "app_is_private" else title
        else:
            told.append(CheckResult(name, title, points, Verdict.PASSED))
    return tuple(told)


def _grade(number: int) -> Grade:
    whole = Grade(
        _student(number),
        "03",
        "ssh",
        results(),
        handed_in_at=DUE - timedelta(hours=number),
        graded_at=DUE + timedelta(days=1, minutes=number),
        duration_s=8.5,
    )
    if number == 15:  # pending in another way: what ran could not see anything
        unseen = tuple(
            replace(
                one, verdict=Verdict.UNCHECKED, reason="La red de la máquina no responde.", advice="Repita."
            )
            for one in results()
        )
        return replace(whole, results=unseen)
    match number % 10:
        case 2:
            return replace(whole, results=results({"exit_node_answers": EXPOSED}), hints_taken=2)
        case 3:
            return replace(whole, results=results({"task_passes": ANOTHER_APP, "app_is_private": OPEN}))
        case 4:
            return replace(whole, results=results({"tunnel_comes_back": DID_NOT_COME_BACK}))
        case 5:
            return replace(
                whole, results=(), handed_in_at=None, fault="No se pudo entrar a su máquina: nadie responde."
            )
        case 6:
            return Due(DUE, Decimal("0.1")).applied(replace(whole, handed_in_at=DUE + timedelta(days=2)))
        case 7:
            last = whole.results[-1]
            unseen_last = replace(
                last,
                verdict=Verdict.UNCHECKED,
                reason="El nodo de salida se apagó.",
                advice="Repita la revisión.",
            )
            incomplete = Finding("incomplete", "2 puntos no se pudieron comprobar: califique otra vez.")
            return replace(whole, results=(*whole.results[:-1], unseen_last), findings=(incomplete,))
        case 8 if number in (8, 38):
            copied = Finding("copied", "La entrega es la de 2026001, con otro nombre.", voids=True)
            return replace(whole, source="entrega", findings=(copied,))
        case 9 if number in (9, 39):
            by_hand = Override(Decimal("0.9"), "Mostró en clase que le funciona", "prof. <Vera>", DUE)
            return replace(whole, results=results({"exit_node_answers": EXPOSED}), override=by_hand)
    return replace(whole, used_solution=number == 11)
