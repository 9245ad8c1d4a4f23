"""Who asks for no more mail, who complains, and who writes of something else."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.mail.asks_to_stop import asks_to_stop

WISHES = [
    "You never stop sending me emails, remove me from your list",
    "Please discontinue sending these emails",
    "We wish to stop receiving your weekly newsletter",
    "I'd like to stop receiving email from your company",
    "Please unsubscribe us from your mailing list, we have no orders with you",
    "No me envíe nada más",
    "Не надсилайте мені більше листів",
    "Хочу отменить подписку на рассылку",
    "Ich will das nicht und mich vom Newsletter abmelden",
    "Bitte melden Sie mich ab und löschen Sie meine Daten",
    "Aún no me eliminan de su lista",
    "Vocês não me removem da lista",
    "Dlaczego nie wypisaliście mnie z listy",
    "Slet mig jeg vil ikke have mails",
    "不要再发邮件了，请退订",
    "我不要了，退订",
    "Je souhaite ne plus recevoir vos mails",
    "Je souhaite être retiré de la liste",
    "Stop aux mails",
    "Plus de mails svp, merci",
    "Merci de ne plus m'envoyer de newsletter, cordialement",
    "Stuur mij geen mails meer, graag",
    "No nos envíen nada, gracias",
    "Прошу исключить меня из вашего списка",
    "unsubscribe",
    "Unsubscribe please",
    "Please unsubscribe me from your mailing list.",
    "Take me off your list!",
    "please remove me from this list",
    "Stop emailing me",
    "Stop sending me these emails.",
    "stop mailing me",
    "Do not email me again",
    "No more emails please",
    "I do not want to receive any more emails from you.",
    "I want to unsubscribe",
    "Please take me off of this mailing list immediately!!!",
    "remove ann@example.org from your list",
    "UNSUBSCRIBE ME NOW",
    "Please cancel my subscription",
    "Bitte nehmen Sie mich aus Ihrem Verteiler.",
    "Ich möchte keine weiteren E-Mails erhalten",
    "Bitte melden Sie mich vom Newsletter ab",
    "Bitte abmelden. Danke",
    "Newsletter bitte abbestellen",
    "Merci de me désinscrire",
    "Veuillez me retirer de votre liste",
    "désinscrivez-moi de votre liste svp",
    "Je ne souhaite plus recevoir vos mails",
    "Arrêtez de m'envoyer des mails",
    "Por favor, denme de baja",
    "Quiero darme de baja de la lista",
    "No quiero recibir más correos",
    "Elimíneme de su lista",
    "Cancellatemi dalla vostra mailing list",
    "Non voglio più ricevere le vostre mail",
    "Por favor, me remova da sua lista",
    "Não quero mais receber seus emails",
    "Graag uitschrijven",
    "Haal mij van de mailinglijst",
    "Ik wil geen mails meer ontvangen",
    "Proszę mnie wypisać z listy",
    "Nie chcę otrzymywać takich wiadomości",
    "Отпишите меня от рассылки",
    "Не присылайте мне больше писем",
    "прекратите присылать мне письма",
    "Ta bort mig från listan",
    "Fjern meg fra listen",
    "Afmeld mig venligst",
    "Poistakaa minut postituslistalta",
    "Odhlaste mě z odběru",
    "Beni listenizden çıkarın lütfen",
    "配信停止をお願いします",
    "今後メールの配信を停止してください",
    "请退订",
    "请不要再给我发邮件",
    "수신거부 부탁드립니다",
    "נא להסיר אותי מרשימת התפוצה",
    "أرجو إلغاء الاشتراك",
    "Tolong hapus saya dari daftar",
    "I'd like to stop receiving these newsletters, please.",
    "please take my address out",
    "unsubscribe bob@example.org",
    "Please discontinue sending me your newsletter",
    "Kindly stop mailing us, thank you",
    "Let me off this list please",
    "Ich möchte von der Liste gestrichen werden",
    "Bitte nicht mehr zusenden",
    "Plus de mails, merci",
    "Rimuovete il mio indirizzo",
    "Basta email",
    "Nie przysyłajcie mi więcej wiadomości",
    "Не присылайте больше",
    "Aboneliğimi iptal edin",
    "Διαγράψτε με",
    "Please cancel this newsletter",
    "Bitte keine Werbung mehr schicken",
    "Nehmt mich bitte aus dem Verteiler",
    "Bitte entfernen Sie meine Adresse",
    "Je ne veux plus de vos mails",
    "No deseo seguir recibiendo sus correos",
    "Gostaria de cancelar o recebimento",
    "Não enviem mais emails",
    "Graag geen mail meer",
    "Удалите мой адрес, пожалуйста",
    "Jeg ønsker ikke flere mails",
    "Merci de ne plus m'envoyer de mails",
    "Je souhaite me désabonner",
    "Ich kann mich nicht vom Newsletter abmelden",
    "Stuur mij geen e-mails meer.",
    "Прошу удалить мой адрес из рассылки.",
    "Хочу отписаться от рассылки",
    "Prosím o odhlášení z newsletteru.",
    "Vă rog să mă dezabonați.",
    "Jeg vil gerne afmelde nyhedsbrevet.",
    "Haluan peruuttaa uutiskirjeen tilauksen.",
    "请把我从邮件列表中删除。",
    "אנא הסירו אותי מרשימת התפוצה",
]
COMPLAINTS = [
    "You never stop spamming me",
    "This is not just spam",
    "Nunca me he suscrito a esto",
    "No me he suscrito",
    "This is spam",
    "This is spam!!! I never signed up for this.",
    "I never subscribed to your newsletter",
    "Stop spamming me",
    "I will report you",
    "I didn't sign up for this, take me off your list",
    "Das ist Spam",
    "Ich habe mich nie bei Ihnen angemeldet",
    "C'est du spam",
    "Je n'ai jamais demandé à recevoir vos mails",
    "Esto es spam",
    "Nunca me suscribí a su boletín",
    "Esto es spam, nunca me he suscrito.",
    "This is unsolicited junk, stop it",
    "You keep spamming us!",
    "Ich habe dem nie zugestimmt, das ist Spam",
    "Je n'ai pas demandé cette pub, c'est du spam",
    "Questo è spam",
    "Non mi sono mai iscritto",
    "Isto é spam",
    "Nunca me cadastrei",
    "Dit is spam",
    "To jest spam",
    "Это спам",
    "Я не подписывался на вашу рассылку",
    "这是垃圾邮件",
    "迷惑メールです",
    "스팸입니다",
    "Reported as spam.",
    "I have reported you as spam",
    "Do not send me unsolicited emails, I will sue you",
]
OTHERS = [
    "I would love to stop receiving these error messages when I log in",
    "I want to stop hearing that noise in the headphones",
    "Please stop write me as soon as the parcel ships",
    "No longer mail me at the office, my new address is below",
    "Please take my name off the lease.",
    "Please discontinue sending the printed catalogue, I read it online",
    "Meldet uns bitte das Ergebnis ab Montag",
    "Die Ware wurde aus der Liste entfernt",
    "Ich wurde versehentlich von der Liste gestrichen, wie komme ich wieder hinein",
    "Ich bekomme keine Newsletter mehr",
    "Google meint, das ist Spam",
    "Merci de ne plus utiliser mon ancienne adresse, voici la nouvelle",
    "Merci de ne plus me contacter par téléphone, un mail suffit",
    "Je souhaite retirer ma commande en magasin",
    "Je ne veux plus de messages d'erreur",
    "Cancella il mio indirizzo vecchio",
    "Non mi cancellate dalla lista, vi prego",
    "Não mande mais dinheiro",
    "Stuur me geen pakket meer",
    "Verwijder mij niet uit de lijst",
    "Ik krijg geen nieuwsbrief meer",
    "Ik wil me niet uitschrijven voor de nieuwsbrief",
    "Не отправляйте ничего до понедельника",
    "Прошу исключить из списка товаров позицию 3",
    "Haluan perua tilaukseni 4711",
    "Jeg ønsker ikke mere information om produktet nu",
    "abonelik iptal edildi mi acaba",
    "商品已从列表中删除",
    "Bots keep spamming us with orders",
    "Please don't take me off your list.",
    "Never take my address off this list, please",
    "please don't stop sending me these",
    "This is not spam",
    "It was no spam, thank you",
    "Das ist kein Spam",
    "Это не спам",
    "Dit is geen spam",
    "To nie jest spam",
    "Det er ikke spam",
    "这不是垃圾邮件",
    "Thank you, the parcel arrived.",
    "Can you remove me from the CC?",
    "Please stop the server at noon.",
    "Your mail landed in my spam folder.",
    "I did not unsubscribe, why did I get removed?",
    "How do our users unsubscribe?",
    "Please send me your newsletter.",
    "To unsubscribe, click here",
    "If you no longer wish to receive these emails, let us know.",
    "I never received the invoice.",
    "Don't remove me from the list please",
    "Stop by my office tomorrow",
    "We need to remove the old logo from the newsletter",
    "I have not signed the contract yet",
    "My mail was returned as undeliverable",
    "How do I stop the recurring payment?",
    "I never asked for a refund",
    "I unsubscribed my other address last week, thank you",
    "Ich habe mich nicht gemeldet, sorry",
    "Ich habe nicht bestellt, sondern gefragt",
    "Nie byłem w Krakowie",
    "Non ho ancora ricevuto la fattura",
    "No me di cuenta",
    "Where can I see who has unsubscribed?",
    "Please send the report to my boss.",
    "Do you also offer an unsubscribe link for our own newsletter? https://example.com/unsubscribe",
    "Unsubscribe | Preferences | Privacy",
    "The file is not spam, it was only marked as that by your server.",
    "I did not request a refund.",
    "Reason: Email flagged as Spam.",
    "It was considered unsolicited bulk e-mail (UBE).",
    "remove me from the waiting list please",
    "Bitte melden Sie mich nicht ab, ich lese den Newsletter gern.",
    "Ich möchte den Newsletter nicht abbestellen",
    "Ne me désinscrivez surtout pas !",
    "Merci de ne pas me retirer de la liste",
    "Bitte nehmen Sie mich in den Verteiler auf",
    "Bitte tragen Sie mich auf die Liste ein",
    "Vill inte avregistrera mig",
    "No quiero darme de baja, al contrario.",
    "Non voglio cancellarmi, mi piace la newsletter.",
    "Não quero cancelar a inscrição",
    "Schrijf mij alstublieft niet uit.",
    "Nie wypisujcie mnie z listy, lubię wasze maile.",
    "Не отписывайте меня, мне нравится рассылка.",
    "Avregistrera mig inte, tack.",
    "请不要把我从名单中删除",
    "",
    "?!",
]
DOUBTFUL = [
    "Não tenho mais interesse, favor remover",
    "Tragt mich bitte für das Seminar aus",
    "Please remove me from the notifications about my parcel",
    "No me envíe más facturas en papel",
    "Quero cancelar o recebimento da encomenda",
    "Nie przysyłajcie mi już faktur na stary adres",
    "Nu îmi mai trimite factura",
    "Disdetta. Vorrei annullare la prenotazione del 5 maggio.",
    "请从列表中删除包裹，停止寄信",
    "Please unsubscribe my colleague's old product X from monitoring",
    "please remove my colleague from your mailing list",
    "How do I unsubscribe?",
    "Could you take me off the list?",
    "Please take me off the list for Thursday's dinner, I am ill.",
    "Stop! I found an error in the price list.",
    "Please take my husband off your mailing list",
    "Is it you who sends this? This is spam. " + "I only ask because we work on our own server today. " * 20,
]


@pytest.mark.parametrize("text", WISHES)
def test_a_clear_sentence_asks_for_no_more_mail(text: str) -> None:
    stop = asks_to_stop(text)
    assert stop is not None
    assert (stop.is_complaint, stop.is_doubtful) == (False, False)
    assert stop.sentence.strip(".!") in text


@pytest.mark.parametrize("text", COMPLAINTS)
def test_spam_and_never_asked_for_is_a_complaint(text: str) -> None:
    stop = asks_to_stop(text)
    assert stop is not None
    assert (stop.is_complaint, stop.is_doubtful) == (True, False)


@pytest.mark.parametrize("text", OTHERS)
def test_who_writes_of_something_else_gets_mail_on(text: str) -> None:
    assert asks_to_stop(text) is None


@pytest.mark.parametrize("text", DOUBTFUL)
def test_what_may_mean_another_is_doubtful(text: str) -> None:
    stop = asks_to_stop(text)
    assert stop is not None
    assert stop.is_doubtful


def test_of_several_sentences_the_clear_and_the_grave_one_counts() -> None:
    text = "Hello,\nhow do I unsubscribe?\nPlease take me off your list. I never signed up for this!\nAnn"
    stop = asks_to_stop(text)
    assert stop is not None
    assert (stop.sentence, stop.is_complaint, stop.is_doubtful) == ("I never signed up for this!", True, False)


def test_a_bare_word_counts_only_where_little_else_stands() -> None:
    letter = "Hello Bob\nhere are the points.\nOne\nTwo\nThree\nFour\n"
    assert asks_to_stop("Remove") is not None
    assert asks_to_stop(letter + "Remove") is None


def test_a_long_letter_proves_nothing() -> None:
    assert asks_to_stop("We talked of many things. " * 200 + "Please unsubscribe me.") is None


@pytest.mark.parametrize(
    "text", ["please ", "stop sending me ", "i never ", "remove me from ", "the of any ", "nicht ", "no "]
)
def test_an_evil_text_costs_little(text: str) -> None:
    before = time.process_time()
    asks_to_stop((text * (200 // len(text)) + "\n") * 19)
    asks_to_stop(text * 200_000)
    assert time.process_time() - before < 1  # measured 0.02


@given(st.text())
def test_nothing_fails_on_any_text(text: str) -> None:
    asks_to_stop(text)
    asks_to_stop(f"please unsubscribe me from {text} list")
