; setup.exe: for one person, without an administrator. What it is made of comes from the build: VERSION, NUMBERS, OUT,
; ICON, BANNER (the picture of its first page), APP_ID, PAYLOAD (the list of files), UNPACKED (kilobytes), and perhaps
; TESTING and FINALIZE.
;
;   setup.exe /S [/AUTOSTART=0|1] [/PATH=0|1] [/D=C:\folder]      the last one without quotes, and last
;   uninstall.exe /S [/DELETEDATA=1]
;
; It ends with 0: done, 1: the person stopped it, 2: damaged, or it cannot be written, 3: Windows is too old, 4: not into
; that folder, 5: Watchkeeper is in use, 6: the new files could not be put in place, 7: the program does not start here.
;
; It is itself a program for 64 bits, which no Windows for 32 bits starts.

Unicode true
Target amd64-unicode
SetCompressor /SOLID /FINAL lzma
SetCompressorDictSize 64
; A setup.exe that was changed or cut short is refused with a message, whatever its command line says.
CRCCheck force
RequestExecutionLevel user
ManifestDPIAware true
ManifestSupportedOS Win10
AllowSkipFiles off

!include MUI2.nsh
!include FileFunc.nsh
!include LogicLib.nsh
!include Sections.nsh
!include WinVer.nsh

!define NAME "Watchkeeper"
!define UNINSTALL_KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\${NAME}"
!define RUN_KEY "Software\Microsoft\Windows\CurrentVersion\Run"
!define APP_KEY "Software\Classes\AppUserModelId\${APP_ID}"
!define TOAST_KEY "Software\Microsoft\Windows\CurrentVersion\Notifications\Settings\${APP_ID}"
!define SHORTCUT "$SMPROGRAMS\${NAME}.lnk"
!define WINDOWS_10_1809 17763
!define ERROR_ALREADY_EXISTS 183

Name "${NAME}"
OutFile "${OUT}"
InstallDir "$LOCALAPPDATA\Programs\${NAME}"
InstallDirRegKey HKCU "${UNINSTALL_KEY}" "InstallLocation"
BrandingText "${NAME} ${VERSION}"

!ifdef TESTING
  !define SHOWN_VERSION "${VERSION}, not for release"
!else
  !define SHOWN_VERSION "${VERSION}"
!endif
VIProductVersion "${NUMBERS}"
VIAddVersionKey /LANG=0 "ProductName" "${NAME}"
VIAddVersionKey /LANG=0 "ProductVersion" "${SHOWN_VERSION}"
VIAddVersionKey /LANG=0 "FileDescription" "${NAME} Setup"
VIAddVersionKey /LANG=0 "FileVersion" "${SHOWN_VERSION}"
VIAddVersionKey /LANG=0 "CompanyName" "The Watchkeeper developers"
VIAddVersionKey /LANG=0 "LegalCopyright" "MIT licence"

!ifdef FINALIZE
  !uninstfinalize '${FINALIZE}' = 0
!endif

Var Installed ; the folder in which it is installed already; empty for none
Var HadAutostart
Var HadPath
Var Why
Var Code

!define MUI_ICON "${ICON}"
!define MUI_UNICON "${ICON}"
!define MUI_WELCOMEFINISHPAGE_BITMAP "${BANNER}"
!define MUI_ABORTWARNING
!define MUI_COMPONENTSPAGE_SMALLDESC
!insertmacro MUI_PAGE_WELCOME
!define MUI_PAGE_CUSTOMFUNCTION_PRE SkipFolder
!define MUI_PAGE_CUSTOMFUNCTION_LEAVE LeaveFolder
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_COMPONENTS
!insertmacro MUI_PAGE_INSTFILES
!define MUI_FINISHPAGE_RUN
!define MUI_FINISHPAGE_RUN_TEXT "$(StartNow)"
!define MUI_FINISHPAGE_RUN_FUNCTION StartNow
!ifdef TESTING
  !define MUI_FINISHPAGE_TEXT "$(NotForRelease)"
!endif
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_COMPONENTS
!insertmacro MUI_UNPAGE_INSTFILES
; The first is shown where Windows speaks neither.
!insertmacro MUI_LANGUAGE "English"
!insertmacro MUI_LANGUAGE "Russian"
!include strings.nsh

; Runs a step of the program's own: ${Step} FOLDER WORDS gives its exit code in $0, -1 where it did not start.
!macro Step FOLDER WORDS
  ClearErrors
  ExecWait '"${FOLDER}\pythonw.exe" -I -m watchkeeper_setup ${WORDS}' $0
  ${If} ${Errors}
    StrCpy $0 -1
  ${EndIf}
!macroend
!define Step "!insertmacro Step"

; Both programs need these: to know whether anything of the installed tree is in use, and to have it end.
!macro Functions UN
Function ${UN}IsFree ; gives 1 in $2 where none of the programs runs
  StrCpy $2 1
  ${For} $3 1 5
    ${Select} $3
      ${Case} 1
        StrCpy $4 "watchkeeper.exe"
      ${Case} 2
        StrCpy $4 "bin\watchkeeper.exe"
      ${Case} 3
        StrCpy $4 "python.exe"
      ${Case} 4
        StrCpy $4 "pythonw.exe"
      ${Case} 5
        StrCpy $4 "${PYTHON_LIBRARY}"
    ${EndSelect}
    ${If} ${FileExists} "$INSTDIR\program\$4"
      ClearErrors
      FileOpen $5 "$INSTDIR\program\$4" a
      ${If} ${Errors}
        StrCpy $2 0
      ${Else}
        FileClose $5
      ${EndIf}
    ${EndIf}
  ${Next}
FunctionEnd

; Moves the installed tree aside; $2 is 1 where that went well. Windows lets no folder be renamed of which a file is in
; use, so the renaming is itself the proof that all of it has ended.
Function ${UN}MoveAside
  ${For} $1 1 60
    Call ${UN}IsFree
    ${If} $2 = 1
      ClearErrors
      Rename "$INSTDIR\program" "$INSTDIR\program.old"
      ${IfNot} ${Errors}
        Return
      ${EndIf}
    ${EndIf}
    Sleep 250
  ${Next}
  StrCpy $2 0
FunctionEnd
!macroend
!insertmacro Functions ""
!insertmacro Functions "un."

Section "$(ProgramTitle)" SecProgram
  SectionIn RO
  AddSize ${UNPACKED}
  ; A setup that was ended half way leaves the old tree aside, or a new one that is not whole.
  ${IfNot} ${FileExists} "$INSTDIR\program\watchkeeper.exe"
  ${AndIf} ${FileExists} "$INSTDIR\program.old\watchkeeper.exe"
    Rename "$INSTDIR\program.old" "$INSTDIR\program"
  ${EndIf}
  RMDir /r "$INSTDIR\program.new"
  RMDir /r "$INSTDIR\program.old"

  !include "${PAYLOAD}"

  ; The folder of the last file would be held open.
  SetOutPath "$INSTDIR"
  DetailPrint "$(Preparing)"
  ${Step} "$INSTDIR\program.new" "prepare"
  ${If} $0 = 12
    StrCpy $Why "$(NoRoom)"
    StrCpy $Code 2
    Call GiveUp
  ${ElseIf} $0 <> 0
    StrCpy $Why "$(CannotRun)"
    StrCpy $Code 7
    Call GiveUp
  ${EndIf}
  ${If} ${FileExists} "$INSTDIR\program\*.*"
    Call Replace
  ${Else}
    Call Place
  ${EndIf}

  SetOutPath "$PROFILE"
  CreateShortcut "${SHORTCUT}" "$INSTDIR\program\watchkeeper.exe" "--keep --window" "$INSTDIR\program\watchkeeper.exe" 0
  ${Step} "$INSTDIR\program" 'shortcut "${SHORTCUT}" "${APP_ID}"'
  WriteRegStr HKCU "${APP_KEY}" "DisplayName" "${NAME}"
  WriteRegStr HKCU "${APP_KEY}" "IconUri" "$INSTDIR\program\watchkeeper.png"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "DisplayName" "${NAME}"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "DisplayVersion" "${SHOWN_VERSION}"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "DisplayIcon" "$INSTDIR\program\watchkeeper.exe,0"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "Publisher" "The Watchkeeper developers"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKCU "${UNINSTALL_KEY}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD HKCU "${UNINSTALL_KEY}" "NoModify" 1
  WriteRegDWORD HKCU "${UNINSTALL_KEY}" "NoRepair" 1
  ${GetSize} "$INSTDIR" "/S=0K" $0 $1 $2
  WriteRegDWORD HKCU "${UNINSTALL_KEY}" "EstimatedSize" $0
SectionEnd

Section "$(AutostartTitle)" SecAutostart
SectionEnd

Section "$(PathTitle)" SecPath
SectionEnd

Section "-Choices"
  ${If} ${SectionIsSelected} ${SecAutostart}
  ${AndIf} $HadAutostart <> 1
    ${Step} "$INSTDIR\program" "autostart enable"
    ${If} $0 <> 0
      MessageBox MB_ICONEXCLAMATION|MB_OK "$(NoAutostart)" /SD IDOK
    ${EndIf}
  ${EndIf}
  ${IfNot} ${SectionIsSelected} ${SecAutostart}
  ${AndIf} $HadAutostart = 1
    ${Step} "$INSTDIR\program" "autostart disable"
  ${EndIf}
  ${If} ${SectionIsSelected} ${SecPath}
    ${Step} "$INSTDIR\program" "path add"
    WriteRegDWORD HKCU "${UNINSTALL_KEY}" "OnPath" 1
  ${Else}
    ${If} $HadPath = 1
      ${Step} "$INSTDIR\program" "path remove"
    ${EndIf}
    WriteRegDWORD HKCU "${UNINSTALL_KEY}" "OnPath" 0
  ${EndIf}
  Call StartAgain
SectionEnd

!insertmacro MUI_FUNCTION_DESCRIPTION_BEGIN
  !insertmacro MUI_DESCRIPTION_TEXT ${SecProgram} "$(ProgramAbout)"
  !insertmacro MUI_DESCRIPTION_TEXT ${SecAutostart} "$(AutostartAbout)"
  !insertmacro MUI_DESCRIPTION_TEXT ${SecPath} "$(PathAbout)"
!insertmacro MUI_FUNCTION_DESCRIPTION_END

Function .onInit
  InitPluginsDir
  StrCpy $HadAutostart 0
  StrCpy $HadPath 0
  StrCpy $Why ""
  System::Call 'kernel32::CreateMutexW(p 0, i 0, w "Local\WatchkeeperSetup") p .r1 ?e'
  Pop $0
  ${If} $0 = ${ERROR_ALREADY_EXISTS}
    StrCpy $Why "$(OtherSetup)"
    StrCpy $Code 5
  ${ElseIfNot} ${AtLeastBuild} ${WINDOWS_10_1809}
    StrCpy $Why "$(TooOld)"
    StrCpy $Code 3
  ${EndIf}
  ${If} $Why != ""
    MessageBox MB_ICONSTOP|MB_OK "$Why" /SD IDOK
    SetErrorLevel $Code
    Quit
  ${EndIf}

  ReadRegStr $Installed HKCU "${UNINSTALL_KEY}" "InstallLocation"
  ${IfNot} ${FileExists} "$Installed\program\watchkeeper.exe"
  ${AndIfNot} ${FileExists} "$Installed\program.old\watchkeeper.exe"
    StrCpy $Installed ""
  ${EndIf}
  ; An upgrade keeps what the person has chosen.
  ${If} $Installed != ""
    ReadRegStr $0 HKCU "${RUN_KEY}" "${NAME}"
    ${If} $0 == ""
      !insertmacro UnselectSection ${SecAutostart}
    ${Else}
      StrCpy $HadAutostart 1
    ${EndIf}
    ReadRegDWORD $0 HKCU "${UNINSTALL_KEY}" "OnPath"
    ${If} $0 = 1
      StrCpy $HadPath 1
    ${Else}
      !insertmacro UnselectSection ${SecPath}
    ${EndIf}
  ${EndIf}
  ${GetParameters} $R0
  ClearErrors
  ${GetOptions} $R0 "/AUTOSTART=" $0
  ${IfNot} ${Errors}
    ${If} $0 == "1"
      !insertmacro SelectSection ${SecAutostart}
    ${Else}
      !insertmacro UnselectSection ${SecAutostart}
    ${EndIf}
  ${EndIf}
  ClearErrors
  ${GetOptions} $R0 "/PATH=" $0
  ${IfNot} ${Errors}
    ${If} $0 == "1"
      !insertmacro SelectSection ${SecPath}
    ${Else}
      !insertmacro UnselectSection ${SecPath}
    ${EndIf}
  ${EndIf}

  ; Whoever clicks is asked on the page for the folder; an upgrade shows none.
  ${If} ${Silent}
  ${OrIf} $Installed != ""
    Call FolderTrouble
    ${If} $Why != ""
      MessageBox MB_ICONSTOP|MB_OK "$Why" /SD IDOK
      SetErrorLevel 4
      Quit
    ${EndIf}
  ${EndIf}
FunctionEnd

; Gives in $Why what speaks against the folder; empty where nothing does. What the uninstaller deletes must be ours.
Function FolderTrouble
  StrCpy $Why ""
  ${If} $Installed != ""
    ${If} $Installed != $INSTDIR
      StrCpy $Why "$(Elsewhere)"
    ${EndIf}
    Return
  ${EndIf}
  ${If} $INSTDIR == "$LOCALAPPDATA\${NAME}"
    StrCpy $Why "$(DataFolder)"
    Return
  ${EndIf}
  ${If} ${FileExists} "$INSTDIR\program\*.*"
  ${AndIfNot} ${FileExists} "$INSTDIR\program\watchkeeper.exe"
    StrCpy $Why "$(NotEmpty)"
    Return
  ${EndIf}
  ClearErrors
  FindFirst $0 $1 "$INSTDIR\*.*"
  ${DoUntil} ${Errors}
    ${Select} $1
      ${Case2} "." ".."
      ${Case3} "program" "program.new" "program.old"
      ${Case2} "uninstall.exe" ""
      ${CaseElse}
        StrCpy $Why "$(NotEmpty)"
    ${EndSelect}
    ClearErrors
    FindNext $0 $1
  ${Loop}
  FindClose $0
FunctionEnd

Function SkipFolder
  ${If} $Installed != ""
    Abort
  ${EndIf}
FunctionEnd

Function LeaveFolder
  Call FolderTrouble
  ${If} $Why != ""
    MessageBox MB_ICONEXCLAMATION|MB_OK "$Why"
    Abort
  ${EndIf}
FunctionEnd

Function Place
  ClearErrors
  Rename "$INSTDIR\program.new" "$INSTDIR\program"
  ${If} ${Errors}
    StrCpy $Why "$(CannotPlace)"
    StrCpy $Code 6
    Call GiveUp
  ${EndIf}
FunctionEnd

Function Replace
  again:
  DetailPrint "$(Leaving)"
  ${Step} "$INSTDIR\program.new" 'leave "$INSTDIR\program" "$PLUGINSDIR\again.json"'
  DetailPrint "$(Swapping)"
  Call MoveAside
  ${If} $2 <> 1
    MessageBox MB_ICONEXCLAMATION|MB_RETRYCANCEL "$(StillRuns)" /SD IDCANCEL IDRETRY again
    StrCpy $Why "$(StillRunsEnd)"
    StrCpy $Code 5
    Call GiveUp
  ${EndIf}
  ClearErrors
  Rename "$INSTDIR\program.new" "$INSTDIR\program"
  ${If} ${Errors}
    Rename "$INSTDIR\program.old" "$INSTDIR\program"
    StrCpy $Why "$(CannotPlace)"
    StrCpy $Code 6
    Call GiveUp
  ${EndIf}
  RMDir /r "$INSTDIR\program.old"
FunctionEnd

; Starts what ran before, where it was asked to end.
Function StartAgain
  ${If} ${FileExists} "$PLUGINSDIR\again.json"
    ${Step} "$INSTDIR\program" 'again "$PLUGINSDIR\again.json"'
    Delete "$PLUGINSDIR\again.json"
  ${EndIf}
FunctionEnd

Function StartNow
  Exec '"$INSTDIR\program\watchkeeper.exe" --keep --window'
FunctionEnd

; Ends with $Why and $Code, and leaves what was there before.
Function GiveUp
  Call LeaveAsItWas
  MessageBox MB_ICONSTOP|MB_OK "$Why" /SD IDOK
  SetErrorLevel $Code
  Abort
FunctionEnd

Function LeaveAsItWas
  SetOutPath "$TEMP"
  RMDir /r "$INSTDIR\program.new"
  Call StartAgain
  RMDir "$INSTDIR"
FunctionEnd

; Where a file could not be written, or the person has stopped it.
Function .onInstFailed
  Call LeaveAsItWas
FunctionEnd

Section "un.$(ProgramTitle)" UnProgram
  SectionIn RO
SectionEnd

Section /o "un.$(DataTitle)" UnData
SectionEnd

Section "-un.Remove"
  SetOutPath "$TEMP"
  again:
  DetailPrint "$(Leaving)"
  ${Step} "$INSTDIR\program" 'leave "$INSTDIR\program" "$PLUGINSDIR\again.json"'
  Call un.IsFree
  ${If} $2 <> 1
    ; What it started may take a moment longer.
    ${For} $1 1 40
      Sleep 250
      Call un.IsFree
      ${If} $2 = 1
        ${Break}
      ${EndIf}
    ${Next}
  ${EndIf}
  ${If} $2 <> 1
    MessageBox MB_ICONEXCLAMATION|MB_RETRYCANCEL "$(StillRuns)" /SD IDCANCEL IDRETRY again
    MessageBox MB_ICONSTOP|MB_OK "$(StillRunsEnd)" /SD IDOK
    SetErrorLevel 5
    Abort
  ${EndIf}
  ${Step} "$INSTDIR\program" "autostart disable"
  ${Step} "$INSTDIR\program" "path remove"
  ${If} ${SectionIsSelected} ${UnData}
    ${Step} "$INSTDIR\program" "forget"
    ${If} $0 <> 0
      MessageBox MB_ICONEXCLAMATION|MB_OK "$(DataLeft)" /SD IDOK
    ${EndIf}
  ${EndIf}
  ; Where the program itself is damaged, what would start it is taken away all the same.
  ReadRegStr $0 HKCU "${RUN_KEY}" "${NAME}"
  StrLen $1 "$INSTDIR\program\"
  StrCpy $0 $0 $1 1
  ${If} $0 == "$INSTDIR\program\"
    DeleteRegValue HKCU "${RUN_KEY}" "${NAME}"
  ${EndIf}

  DetailPrint "$(Removing)"
  StrCpy $2 1
  ${If} ${FileExists} "$INSTDIR\program\*.*"
    RMDir /r "$INSTDIR\program.old"
    Call un.MoveAside
  ${EndIf}
  ${If} $2 = 1
    RMDir /r "$INSTDIR\program.old"
  ${Else}
    RMDir /r "$INSTDIR\program"
  ${EndIf}
  RMDir /r "$INSTDIR\program.new"
  Delete "${SHORTCUT}"
  DeleteRegKey HKCU "${APP_KEY}"
  DeleteRegKey HKCU "${TOAST_KEY}"
  DeleteRegKey HKCU "${UNINSTALL_KEY}"
  Delete "$INSTDIR\uninstall.exe"
  RMDir "$INSTDIR"
  ${If} ${FileExists} "$INSTDIR\program.old\*.*"
  ${OrIf} ${FileExists} "$INSTDIR\program\*.*"
    MessageBox MB_ICONEXCLAMATION|MB_OK "$(FilesLeft)" /SD IDOK
    SetErrorLevel 6
  ${Else}
    Delete "$TEMP\watchkeeper-setup.log"
  ${EndIf}
SectionEnd

!insertmacro MUI_UNFUNCTION_DESCRIPTION_BEGIN
  !insertmacro MUI_DESCRIPTION_TEXT ${UnProgram} "$(ProgramAbout)"
  !insertmacro MUI_DESCRIPTION_TEXT ${UnData} "$(DataAbout)"
!insertmacro MUI_UNFUNCTION_DESCRIPTION_END

Function un.onInit
  InitPluginsDir
  ${GetParameters} $R0
  ClearErrors
  ${GetOptions} $R0 "/DELETEDATA=" $0
  ${IfNot} ${Errors}
  ${AndIf} $0 == "1"
    !insertmacro SelectSection ${UnData}
  ${EndIf}
FunctionEnd
