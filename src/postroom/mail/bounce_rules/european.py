"""The same texts in German, French, Spanish, Portuguese, Italian and Dutch; accents are folded."""

from postroom.mail.bounce_rules.rule import Rule, says
from postroom.mail.reasons import Reason

_GERMAN = (
    Rule(
        "de-spam",
        Reason.SPAM,
        says("als spam | spamverdacht | spam-verdacht | unerwunschte werbung | unerwuenschte werbung"),
    ),
    Rule(
        "de-virus",
        Reason.VIRUS,
        says("virus gefunden | enthalt einen virus | enthaelt einen virus | schadsoftware"),
    ),
    Rule(
        "de-too-large",
        Reason.TOO_LARGE,
        says(
            """
            nachricht ist zu gross | nachricht zu gross | nachricht ist zu groß | nachricht zu groß | mail zu gross
            | mail ist zu gross | mail zu groß | mail ist zu groß | maximale grosse | maximale große
            | grossenbeschrankung | uberschreitet die maximal | ueberschreitet die maximal
            """
        ),
    ),
    Rule(
        "de-full",
        Reason.MAILBOX_FULL,
        says(
            """
            postfach ist voll | zuviele mails auf dem server | zu viele mails auf dem server | postfach voll
            | postfach des empfangers ist voll | postfach des empfaengers ist voll | mailbox ist voll | mailbox voll
            | mailbox des empfangers ist voll | speicherplatz * uberschritten | speicherplatz * ueberschritten
            | speicherplatz * erschopft | speicherplatz * erschoepft | kein speicherplatz | quota uberschritten
            | quota ueberschritten | quota des empfangers | postfach * uberfullt | postfach * ueberfuellt
            | hat sein postfach-limit
            """
        ),
    ),
    Rule(
        "de-suspended",
        Reason.SUSPENDED,
        says(
            """
            konto ist gesperrt | konto gesperrt | postfach ist gesperrt | postfach gesperrt | postfach deaktiviert
            | konto deaktiviert | mailbox deaktiviert
            """
        ),
    ),
    Rule(
        "de-blocked",
        Reason.BLOCKED,
        says(
            """
            ip-adresse ist gesperrt | ihre ip | auf einer blacklist | auf der blacklist | sperrliste
            | server ist gesperrt
            """
        ),
    ),
    Rule(
        "de-policy",
        Reason.POLICY,
        says(
            """
            aus administrativen grunden | aus administrativen gruenden | richtlinie | richtlinien | nicht gestattet
            | nicht erlaubt
            """
        ),
    ),
    Rule(
        "de-sender",
        Reason.SENDER_REJECTED,
        says(
            """
            des absenders | absenderadresse | absenderdomain | absender unbekannt | absender ist unbekannt
            | absender existiert nicht | absender nicht gefunden | unbekannter absender
            """
        ),
    ),
    Rule(
        "de-no-such-domain",
        Reason.NO_SUCH_DOMAIN,
        says(
            """
            domain existiert nicht | domane existiert nicht | unbekannte domain | domain * wurde nicht gefunden
            | domain nicht gefunden
            """
        ),
    ),
    Rule(
        "de-unknown",
        Reason.NO_SUCH_USER,
        says(
            """
            empfanger unbekannt | empfaenger unbekannt | empfanger nicht gefunden | empfaenger nicht gefunden
            | empfanger existiert nicht | empfaenger existiert nicht | empfanger ist nicht bekannt
            | unbekannter empfanger | unbekannter empfaenger | unbekannter benutzer | benutzer unbekannt
            | benutzer nicht gefunden | benutzer existiert nicht | adresse existiert nicht | adresse * existiert nicht
            | adresse unbekannt | adresse nicht gefunden | adresse wurde nicht gefunden | adresse ist ungultig
            | adresse ist ungueltig | adresse ungultig | adresse konnte nicht gefunden
            | e-mail-adresse * nicht gefunden | kein postfach | postfach existiert nicht | postfach nicht gefunden
            | postfach * existiert nicht | postfach ist nicht vorhanden | empfangeradresse * existiert nicht
            | kein empfanger
            """
        ),
    ),
    Rule(
        "de-not-reached",
        Reason.EXPIRED,
        says(
            """
            zeituberschreitung | zeitueberschreitung | konnte nicht innerhalb | nicht erreichbar
            | verbindung * abgelaufen
            """
        ),
    ),
)

_FRENCH = (
    Rule(
        "fr-spam",
        Reason.SPAM,
        says("comme spam | pour spam | courrier indesirable | message indesirable | considere comme du spam"),
    ),
    Rule("fr-virus", Reason.VIRUS, says("contient un virus | virus detecte")),
    Rule(
        "fr-rate",
        Reason.RATE,
        says("trop de connexions | trop de messages | trop d'erreurs | trop de destinataires | debit trop"),
    ),
    Rule(
        "fr-too-large",
        Reason.TOO_LARGE,
        says(
            """
            message trop volumineux | message est trop volumineux | taille du message | message trop gros
            | taille maximale
            """
        ),
    ),
    Rule(
        "fr-full",
        Reason.MAILBOX_FULL,
        says(
            """
            boite pleine | boite aux lettres pleine | boite aux lettres est pleine | boite aux lettres du destinataire
            | boite de reception est pleine | boite du destinataire est pleine | boite du destinataire pleine
            | boite mail pleine | messagerie pleine | messagerie est pleine | bal pleine | quota depasse
            | depassement de quota | espace insuffisant | espace de stockage | a depasse son quota
            """
        ),
    ),
    Rule(
        "fr-suspended",
        Reason.SUSPENDED,
        says(
            """
            compte du destinataire est bloque | compte bloque | compte est bloque | compte suspendu
            | compte est suspendu | compte desactive | compte est desactive | compte inactif | boite desactivee
            | boite aux lettres desactivee | boite suspendue
            """
        ),
    ),
    Rule(
        "fr-blocked",
        Reason.BLOCKED,
        says("votre ip | adresse ip * bloquee | serveur bloque | liste noire | adresse ip bloquee"),
    ),
    Rule(
        "fr-sender",
        Reason.SENDER_REJECTED,
        says(
            """
            emetteur invalide | expediteur invalide | expediteur inconnu | expediteur refuse
            | adresse de l'expediteur | domaine de l'expediteur | domaine de l'emetteur | l'expediteur n'existe
            """
        ),
    ),
    Rule(
        "fr-no-such-domain",
        Reason.NO_SUCH_DOMAIN,
        says("domaine inconnu | domaine inexistant | domaine n'existe pas | domaine * n'existe pas"),
    ),
    Rule(
        "fr-unknown",
        Reason.NO_SUCH_USER,
        says(
            """
            destinataire inconnu | destinataire invalide | destinataire inexistant | destinataire introuvable
            | utilisateur inconnu | utilisateur inexistant | utilisateur introuvable | adresse inconnue
            | adresse invalide | adresse inexistante | adresse introuvable | adresse n'existe pas
            | adresse * n'existe pas | boite inconnue | boite inexistante
            | adresse d au moins un destinataire invalide | adresse d'au moins un destinataire invalide
            | compte inexistant | compte inconnu | n'est pas une adresse valide | adresse * est introuvable
            """
        ),
    ),
    Rule("fr-later", Reason.RATE, says("veuillez essayer plus tard | service refuse")),
)

_SPANISH_PORTUGUESE = (
    Rule(
        "es-spam",
        Reason.SPAM,
        says("como spam | es spam | correo no deseado | mensagem de spam | lixo eletronico"),
    ),
    Rule("es-virus", Reason.VIRUS, says("virus detectado | contiene un virus | contem virus | contem um virus")),
    Rule(
        "es-too-large",
        Reason.TOO_LARGE,
        says(
            """
            mensaje demasiado grande | mensaje es demasiado grande | tamano maximo | excede el tamano
            | mensagem muito grande | mensagem e muito grande | tamanho maximo | excede o tamanho | excedeu o tamanho
            | tamanho da mensagem
            """
        ),
    ),
    Rule(
        "es-full",
        Reason.MAILBOX_FULL,
        says(
            """
            buzon lleno | buzon esta lleno | buzon de correo lleno | buzon de correo esta lleno
            | buzon del destinatario * lleno | buzon de correo del destinatario * lleno
            | bandeja de entrada esta llena | cuota excedida | cuota superada | ha excedido su cuota | sobre cuota
            | supera la cuota | sin espacio | espacio insuficiente | caixa postal cheia | caixa cheia
            | caixa de correio cheia | caixa postal esta cheia | caixa de entrada cheia | caixa de correio * cheia
            | caixa de entrada esta cheia | cota excedida | quota excedida | excedeu a cota | excedeu a quota
            | espaco insuficiente | sem espaco
            """
        ),
    ),
    Rule(
        "es-suspended",
        Reason.SUSPENDED,
        says(
            """
            cuenta suspendida | casilla ha expirado | estado: inactivo | cuenta esta suspendida | cuenta desactivada
            | cuenta deshabilitada | cuenta inactiva | cuenta bloqueada | buzon desactivado | buzon deshabilitado
            | usuario desactivado | usuario suspendido | conta suspensa | conta desativada | conta bloqueada
            | conta inativa | usuario bloqueado | usuario inativo
            """
        ),
    ),
    Rule(
        "es-blocked",
        Reason.BLOCKED,
        says("lista negra | ip bloqueada | su ip | direccion ip * bloqueada | seu ip"),
    ),
    Rule(
        "es-sender",
        Reason.SENDER_REJECTED,
        says(
            """
            remitente desconocido | remitente no | direccion del remitente | dominio del remitente
            | remetente desconhecido | remetente invalido | endereco do remetente | dominio do remetente
            """
        ),
    ),
    Rule(
        "es-no-such-domain",
        Reason.NO_SUCH_DOMAIN,
        says(
            """
            dominio no existe | dominio inexistente | dominio desconocido | dominio nao existe | dominio * no existe
            """
        ),
    ),
    Rule(
        "es-unknown",
        Reason.NO_SUCH_USER,
        says(
            """
            usuario desconocido | usuario no existe | usuario inexistente | usuario no encontrado | usuario no valido
            | destinatario desconocido | destinatario no existe | destinatario inexistente
            | destinatario no encontrado | destinatario no valido | direccion no existe | direccion desconocida
            | direccion inexistente | direccion no valida | direccion * no existe | no existe el usuario
            | no existe la cuenta | no existe el buzon | no se encontro la direccion
            | no se ha encontrado la direccion | cuenta no existe | cuenta inexistente | buzon no existe
            | buzon inexistente | buzon no encontrado | no existe ese usuario | usuario nao existe
            | usuario nao encontrado | destinatario nao existe | destinatario nao encontrado | endereco nao existe
            | endereco nao encontrado | endereco inexistente | endereco invalido | conta inexistente
            | conta nao existe | caixa postal inexistente | caixa postal nao existe | utilizador desconhecido
            | usuario desconhecido | destinatario desconhecido | destinatario invalido | endereco * nao foi encontrado
            | endereco * nao pode ser encontrado
            """
        ),
    ),
)

_ITALIAN_DUTCH = (
    Rule(
        "it-spam",
        Reason.SPAM,
        says("considerato spam | messaggio di spam | posta indesiderata | ongewenste mail | als ongewenst"),
    ),
    Rule(
        "it-too-large",
        Reason.TOO_LARGE,
        says(
            """
            messaggio troppo grande | messaggio e troppo grande | dimensione massima | bericht te groot
            | bericht is te groot
            """
        ),
    ),
    Rule(
        "it-full",
        Reason.MAILBOX_FULL,
        says(
            """
            casella piena | casella e piena | casella postale piena | casella di posta piena
            | casella del destinatario e piena | cassetta postale * piena | casella postale del destinatario e piena
            | spazio esaurito | spazio insufficiente | superato la quota | quota superata | mailbox piena
            | postvak is vol | postvak van + geadresseerde is vol | postvak van + ontvanger is vol | postbus is vol
            | postvak vol | mailbox is vol | mailbox vol
            """
        ),
    ),
    Rule(
        "it-suspended",
        Reason.SUSPENDED,
        says(
            """
            casella sospesa | bloccato per inutilizzo | casella disattivata | casella disabilitata | account sospeso
            | account disabilitato | account disattivato | utente disabilitato | utente sospeso | casella non attiva
            | account is geblokkeerd | account is uitgeschakeld | mailbox disatttivata | mailbox disattivata
            """
        ),
    ),
    Rule(
        "it-sender",
        Reason.SENDER_REJECTED,
        says(
            """
            mittente sconosciuto | mittente non | indirizzo del mittente | dominio del mittente | afzender onbekend
            | afzender niet | adres van de afzender | domein van de afzender
            """
        ),
    ),
    Rule(
        "it-unknown",
        Reason.NO_SUCH_USER,
        says(
            """
            utente sconosciuto | utente inesistente | utente non trovato | utente non esiste
            | destinatario sconosciuto | destinatario inesistente | destinatario non trovato | destinatario errato
            | indirizzo inesistente | indirizzo sconosciuto | indirizzo non trovato | indirizzo non valido
            | indirizzo non esiste | indirizzo * non e stato trovato | casella inesistente | casella non trovata
            | casella non esiste | casella sconosciuta | destin. sconosciuto | account inesistente
            | onbekende gebruiker | gebruiker onbekend | gebruiker bestaat niet | adres bestaat niet | adres onbekend
            | ontvanger onbekend | ontvanger bestaat niet | postvak bestaat niet | onbekende ontvanger
            | e-mailadres * niet worden gevonden | e-mailadres * niet gevonden | adres niet gevonden
            """
        ),
    ),
)

RULES = (*_GERMAN, *_FRENCH, *_SPANISH_PORTUGUESE, *_ITALIAN_DUTCH)
