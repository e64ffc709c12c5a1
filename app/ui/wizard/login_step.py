"""The last step: start at login and, where this build can be told of newer releases, whether it looks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot

from app.domain.commands import ReadLoginStart, SetSetting, StartAtLogin
from app.domain.firststart import LoginStart
from app.ui.parts import CheckBox, label, set_text
from app.ui.wizard.step import Report, Step

if TYPE_CHECKING:
    from app.domain.errors import WatchkeeperError
    from app.ui.wizard.step import Surroundings
    from app.ui.words.catalogue import Catalogue


class LoginStep(Step):
    """What is ticked is done when the person goes on, and nothing else."""

    def __init__(self, around: Surroundings) -> None:
        tr = around.tr
        super().__init__(around, tr("Always there"))
        self._login = CheckBox(tr("Start Watchkeeper when I &log in"))
        self._login.setEnabled(False)
        self._method = label("", "muted", wraps=True)
        self._updates = CheckBox(tr("Tell me of &updates"))
        self._how = label(
            tr("Now and then it asks whether there is a newer release. It tells nothing about you, and installs none."),
            "muted",
            wraps=True,
        )
        self._updates.setVisible(around.offers_updates)
        self._how.setVisible(around.offers_updates)
        self._report = Report()
        tray = tr("Watchkeeper lives in the tray. Its icon tells how the tests stand; a click on it opens the window.")
        self.body.addWidget(label(tray, wraps=True))
        for widget in (self._login, self._method, self._updates, self._how, self._report):
            self.body.addWidget(widget)
        self.offer(tr("&Finish"))

    def begin(self) -> None:
        """Find out how it would be started, and put the keyboard at the first box."""
        self._report.clear()
        self.offer(self.tr_of("&Finish"))
        self.asking.request(ReadLoginStart(), self._show_login, self._not_known)

    def go_on(self) -> None:
        """Do what is ticked, one after the other, and be through when all of it is done."""
        self._report.clear()
        self.wait(self.go_text)
        if self._login.isChecked() and self._login.isEnabled():
            self.asking.request(StartAtLogin(), self._show_started, self._refused)
        else:
            self._set_updates()

    def _set_updates(self) -> None:
        if self._updates.isChecked():
            wish = SetSetting(key="updates.enabled", values=("true",))
            self.asking.request(wish, lambda _answer: self._end(), self._refused)
        else:
            self._end()

    @Slot()
    def _end(self) -> None:
        self.offer(self.tr_of("&Finish"))
        self.through.emit()

    def _show_login(self, answer: object) -> None:
        if not isinstance(answer, LoginStart):
            raise TypeError(answer)
        tr = self.tr_of
        self._login.setEnabled(not answer.is_on)
        self._login.setChecked(answer.is_on)
        how = method_text(tr, answer.method)
        set_text(self._method, tr("It does so already: {how}.", how=how) if answer.is_on else tr("By {how}.", how=how))
        for box in (self._login, self._updates):
            if box.isEnabled() and box.isVisibleTo(self):
                box.setFocus(Qt.FocusReason.OtherFocusReason)
                return

    def _show_started(self, answer: object) -> None:
        if isinstance(answer, LoginStart) and answer.trouble:
            self._login.setEnabled(False)  # it is written: the rest is for the person to mend
            self._report.say(
                "notice", self.tr_of("The entry is written, but something is in its way."), "", _own_words(answer)
            )
            self.offer(self.tr_of("&Finish"))
            return
        self._set_updates()

    def _not_known(self, error: WatchkeeperError) -> None:
        set_text(self._method, self.tr_of("How this system starts programs at login could not be found out."))
        self._method.setToolTip(str(error))

    def _refused(self, error: WatchkeeperError) -> None:
        hint = self.tr_of("Take the tick away to finish without it.")
        self._report.say("error", self.tr_of("That could not be done."), hint, str(error))
        self.offer(self.tr_of("&Finish"))


def method_text(tr: Catalogue, method: str) -> str:
    """Return by what a program is started at login, to stand behind "by"."""
    return {
        "xdg": tr("an entry in the desktop's autostart folder"),
        "systemd": tr("a service of your systemd session"),
        "launchagent": tr("a launch agent of yours"),
        "run": tr("an entry in your own part of the registry"),
        "task": tr("a task of the Task Scheduler"),
    }.get(method, method)


def _own_words(answer: LoginStart) -> str:
    return f"{answer.trouble} {answer.hint}".strip()
