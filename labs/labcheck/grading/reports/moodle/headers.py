"""What Moodle calls the columns of a grading worksheet, language by language.

From Moodle's language packs: ``recordid``, ``maxgrade``, ``gradecanbechanged`` of mod_assign, ``grade``,
``email``, ``idnumber``, ``username`` of the core, and the name of the plugin assignfeedback_comments. Other
languages are found by the sheet's structure, or told with an option.
"""

import enum
import re
import unicodedata


class Column(enum.Enum):
    """What a column is; the value is its name in Spanish, for a person."""

    EMAIL = "correo"
    ID_NUMBER = "número de ID"
    USERNAME = "nombre de usuario"
    GRADE = "calificación"
    MAXIMUM = "calificación máxima"
    SCALE = "escala"
    CAN_CHANGE = "la calificación se puede cambiar"
    COMMENTS = "comentarios de retroalimentación"


_NAMES = {
    Column.EMAIL: (
        "Email address", "Email", "E-mail", "Dirección de correo", "Dirección Email", "Correo electrónico",
        "Dirección de correo electrónico", "Adresse de courriel", "Adresse e-mail", "Courriel",
        "Endereço de email", "Endereço de e-mail", "E-Mail-Adresse", "Adreça electrònica",
        "Adreça de correu electrònic", "Indirizzo email", "Enderezo de correo", "Helbide elektronikoa",
        "E-posta helbidea", "E-mailadres",
    ),
    Column.ID_NUMBER: (
        "ID number", "Número de ID", "Número ID", "Código",
        "Numéro d'identification", "Número de identificação", "ID-Nummer", "Número d'identificació",
        "Número ID de usuario", "Codice identificativo", "ID-nummer",
    ),
    Column.USERNAME: (
        "Username", "Nombre de usuario", "Nom d'utilisateur", "Identificação de usuário",
        "Nome de utilizador", "Anmeldename", "Nom d'usuari", "Nome de usuario", "Erabiltzaile-izena",
        "Gebruikersnaam",
    ),
    Column.GRADE: (
        "Grade", "Calificación", "Nota", "Note", "Avaliação", "Bewertung", "Qualificació", "Cualificación",
        "Valutazione", "Kalifikazioa", "Cijfer", "Puntuación",
    ),
    Column.MAXIMUM: (
        "Maximum grade", "Calificación máxima", "Note maximale", "Nota máxima", "Avaliação máxima",
        "Bestwertung", "Qualificació màxima", "Cualificación máxima", "Valutazione massima",
        "Gehienezko kalifikazioa", "Maximumcijfer", "Puntuación máxima",
    ),
    Column.SCALE: ("Scale", "Escala", "Barème", "Skala", "Scala", "Eskala", "Schaal"),
    Column.CAN_CHANGE: (
        "Grade can be changed", "La calificación puede ser cambiada", "La calificación se puede cambiar",
        "La note peut être modifiée", "A nota pode ser alterada", "Bewertung kann geändert werden",
        "La qualificació es pot canviar", "Kalifikazioa alda daiteke",
    ),
    Column.COMMENTS: (
        "Feedback comments", "Comentarios de retroalimentación", "Comentarios de realimentación",
        "Comentarios de la retroalimentación", "Feedback par commentaires", "Commentaires de feedback",
        "Comentários de feedback", "Comentários do feedback", "Feedback als Kommentar",
        "Comentaris de retroacció", "Comentaris de retroalimentació", "Commenti di feedback",
        "Feedback-iruzkinak", "Feedback opmerkingen",
    ),
}  # fmt: skip

# What the column of whether a grade can be changed says when it cannot (the core's ``no``).
NO = frozenset({"no", "non", "nein", "não", "nao", "ez", "nee"})


def normal(header: str) -> str:
    """Return a header so that case, spaces and the kind of apostrophe make no difference."""
    composed = unicodedata.normalize("NFC", header).replace("\u2019", "'").replace("\ufeff", "")
    return re.sub(r"\s+", " ", composed).strip().casefold()


KNOWN = {normal(name): column for column, names in _NAMES.items() for name in names}
