"""The same texts in Slavonic languages, those of the North, Hungarian, Romanian and Turkish; accents are folded."""

from postroom.mail.bounce_rules.rule import Rule, says
from postroom.mail.reasons import Reason

_SLAVONIC = (
    Rule(
        "pl-spam",
        Reason.SPAM,
        says("jako spam | uznana za spam | system antyspamowy | спам | похоже на спам | признано спамом"),
    ),
    Rule(
        "pl-too-large",
        Reason.TOO_LARGE,
        says(
            """
            zbyt duza | za duza wiadomosc | rozmiar wiadomosci | слишком большой | слишком большое | размер письма
            """
        ),
    ),
    Rule(
        "pl-full",
        Reason.MAILBOX_FULL,
        says(
            """
            skrzynka pelna | skrzynka * jest pelna | skrzynka jest pelna | skrzynka odbiorcy jest pelna
            | skrzynka przepelniona | przekroczony limit | przekroczono limit | brak miejsca | konto przepelnione
            | quota przekroczona | ящик переполнен | ящик заполнен | ящик получателя переполнен | переполнен
            | превышена квота | квота превышена | нет места | недостаточно места
            """
        ),
    ),
    Rule(
        "pl-suspended",
        Reason.SUSPENDED,
        says(
            """
            konto zablokowane | konto nieaktywne | konto jest nieaktywne | konto jest zablokowane | konto zawieszone
            | skrzynka zablokowana | skrzynka nieaktywna | аккаунт заблокирован | учетная запись заблокирована
            | учетная запись отключена | ящик заблокирован | ящик отключен | пользователь заблокирован
            """
        ),
    ),
    Rule(
        "pl-blocked",
        Reason.BLOCKED,
        says("czarnej liscie | adres ip * zablokowany | черном списке | черный список | заблокирован ip"),
    ),
    Rule(
        "pl-sender",
        Reason.SENDER_REJECTED,
        says(
            """
            nieznany nadawca | adres nadawcy | domena nadawcy | konto nadawcy | nadawca nie | адрес отправителя
            | домен отправителя | ящик отправителя | отправитель не | неизвестный отправитель
            """
        ),
    ),
    Rule(
        "pl-unknown",
        Reason.NO_SUCH_USER,
        says(
            """
            nie ma takiego konta | nie ma takiego uzytkownika | nie ma takiego adresu | nie ma takiej skrzynki
            | odnalezc wprowadzonego adresu | nie znaleziono adresu | nie odnaleziono adresu | nieznany uzytkownik
            | nieznany adresat | nieznany odbiorca | uzytkownik nie istnieje | uzytkownik nieznany
            | adres nie istnieje | adres @ nie istnieje | konto nie istnieje | konto @ nie istnieje
            | skrzynka nie istnieje | skrzynka @ nie istnieje | odbiorca nie istnieje | uzytkownik @ nie istnieje
            | brak takiego uzytkownika | brak takiego konta | нет такого пользователя | нет такого ящика
            | нет такого адреса | пользователь не найден | пользователь не существует | пользователя не существует
            | неизвестный пользователь | получатель не найден | получатель не существует | адрес не существует
            | адрес не найден | адрес получателя не найден | адрес получателя не существует | найти указанный адрес
            | почтовый ящик не найден | почтовый ящик не существует | ящик не существует | ящика не существует
            | несуществующий адрес | неверный адрес
            """
        ),
    ),
)

_NORDIC = (
    Rule(
        "sv-sender",
        Reason.SENDER_REJECTED,
        says(
            """
            avsandaren * hittades inte | avsandarens adress | avsandarens doman | avsandaradressen | okand avsandare
            | ukendt afsender | afsenderens adresse | ukjent avsender | avsenderens adresse | tuntematon lahettaja
            | lahettajan osoite
            """
        ),
    ),
    Rule("sv-spam", Reason.SPAM, says("som skrappost | som spam | soppelpost | roskapostiksi")),
    Rule(
        "sv-too-large",
        Reason.TOO_LARGE,
        says(
            """
            meddelandet ar for stort | meddelandet for stort | meddelelsen er for stor | beskeden er for stor
            | meldingen er for stor | viesti on liian suuri | viestin koko
            """
        ),
    ),
    Rule(
        "sv-full",
        Reason.MAILBOX_FULL,
        says(
            """
            postlada ar full | postladan ar full | brevlada ar full | brevladan ar full | postkasse er fuld
            | postkassen er fuld | postkasse er full | postkassen er full | postboks er full | indbakken er fuld
            | innboksen er full | postilaatikko on taynna | sahkopostilaatikko on taynna | over kvoten
            """
        ),
    ),
    Rule(
        "sv-unknown",
        Reason.NO_SUCH_USER,
        says(
            """
            okand mottagare | mottagaren finns inte | mottagaren ar okand | adressen finns inte
            | e-postadressen finns inte | adressen hittades inte | adressen + hittades inte | adressen + finns inte
            | hittades inte: @ | hitta den e-postadress | hitta e-postadressen | anvandaren finns inte
            | okand anvandare | ukendt modtager | ukendt bruger | modtageren findes ikke | adressen findes ikke
            | adressen blev ikke fundet | adresse + blev ikke fundet | e-mail-adresse * blev ikke fundet
            | mailadressen findes ikke | ukjent mottaker | ukjent bruker | mottakeren finnes ikke
            | adressen finnes ikke | adressen ble ikke funnet | e-postadressen * ble ikke funnet
            | finner ikke e-postadressen | tuntematon vastaanottaja | tuntematon kayttaja | vastaanottajaa ei loydy
            | osoitetta ei loydy | osoitetta ei loytynyt | osoitetta ei ole
            """
        ),
    ),
)

_EASTERN = (
    Rule(
        "cs-sender",
        Reason.SENDER_REJECTED,
        says(
            """
            adresa odesilatele | neznamy odesilatel | adresa odosielatela | neznamy odosielatel | felado cime
            | ismeretlen felado | adresa expeditorului | expeditor necunoscut | gonderen adres | gonderici adres
            | адреса відправника | невідомий відправник
            """
        ),
    ),
    Rule(
        "cs-too-large",
        Reason.TOO_LARGE,
        says(
            """
            zprava je prilis velka | sprava je prilis velka | uzenet tul nagy | level tul nagy
            | mesajul este prea mare | mesaj cok buyuk | ileti cok buyuk | повідомлення завелике
            """
        ),
    ),
    Rule(
        "cs-full",
        Reason.MAILBOX_FULL,
        says(
            """
            schranka je plna | schranka prijemce je plna | schranka je preplnena | plna schranka | postafiok megtelt
            | postafiokja megtelt | postalada megtelt | casuta postala este plina | casuta este plina
            | kutusu dolu | kota asildi | скринька переповнена | скриньку переповнено
            """
        ),
    ),
    Rule(
        "cs-unknown",
        Reason.NO_SUCH_USER,
        says(
            """
            neznamy prijemce | neznamy uzivatel | uzivatel neexistuje | prijemce neexistuje | adresa neexistuje
            | adresa nebyla nalezena | adresa + nebyla nalezena | adresa + neexistuje | adresa + nu exista
            | adresu + se nepodarilo | adresu se nepodarilo najit | schranka neexistuje | neznamy prijemca
            | neznamy pouzivatel | pouzivatel neexistuje | prijemca neexistuje | adresa sa nenasla
            | adresu sa nepodarilo najst | ismeretlen cimzett | ismeretlen felhasznalo | cimzett nem talalhato
            | cim nem talalhato | cim nem letezik | felhasznalo nem letezik | destinatar necunoscut
            | utilizator necunoscut | utilizatorul nu exista | adresa nu exista | adresa nu a fost gasita
            | adresa @ nu a fost gasita | kullanici bulunamadi | boyle bir kullanici yok | alici bulunamadi
            | adresi bulunamadi | bilinmeyen kullanici | bilinmeyen alici | користувача не знайдено
            | користувач не існує | адресу не знайдено | адреса не існує | отримувача не знайдено
            | невідомий користувач
            """
        ),
    ),
)

RULES = (*_SLAVONIC, *_NORDIC, *_EASTERN)
